"""Arcs about seeking something: by looking everywhere, and by following a trail."""

from story.arcs.model import Arc, beat, five, nine, seven, tell
from story.stage import Shot

EVERYWHERE = Arc(
    name="everywhere",
    strands=True,
    needs=frozenset({"thing"}),
    titles=("Where {Is_it}, {hero}?", "{hero} Looks Everywhere", "{hero} and {thing}", "Not Here, Not There"),
    refrains=(
        "Not here.",
        "“Not here,” said {hero}. “Somewhere else, then.”",
        "But that was not {them}. It was not {them} at all.",
    ),
    beats=(
        beat(
            Shot(hero="still", light="day"),
            tell(
                "{hero} was looking for {thing}.",
                "{He} looked under the bed. {He} looked behind the door. {He} looked inside the teapot, twice.",
                five("“{It} must be somewhere,” said {hero}. “Everything is somewhere.”"),
            ),
            tell(
                "One morning {hero} woke up and felt that something was missing. It was true. {He} had lost {lost}.",
                five("{He} shook out the blanket. {He} shook out {himself}. Nothing."),
                "“I shall find {my_thing},” said {hero}, “if it takes me all day.”",
            ),
            tell(
                "One morning, {hero} could think of one thing only: {thing}.",
                "“I am going to look for {them},” said {hero}, “and I am not coming back without {them}.”",
                seven("{He} came back once, for a bun. Then {he} went."),
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="day"),
            tell(
                "{He} looked {at_p1}. {look1}",
                "{hero} found a button, a feather and half a whistle.",
                "{refrain}",
            ),
            tell(
                "{At_p1}, {hero} turned over every stone and said excuse me to everyone who lived there.",
                five("“Have you seen {them}?” {he} asked a beetle. The beetle had seen a great deal, but not that."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="glad", at="second", light="mist"),
            tell(
                "{He} looked {at_p2}, where it was misty and quiet.",
                "Something moved! {hero} jumped at it with both arms. It was a bush.",
                five("“Sorry,” said {hero} to the bush."),
                "{refrain}",
            ),
            tell(
                "{At_p2} the mist was so thick that {hero} had to look with {his} hands.",
                "{He} found something round. It was a stone. {He} found something soft. It was a sheep.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="third", light="evening", held=True),
            tell(
                "{He} looked {at_p3}. The day was nearly over, and {hero} lit a {held}.",
                "{look3}",
                five("{He} looked until the {held} was low and {his} feet were lower."),
                "{refrain}",
            ),
            tell(
                "{At_p3} {hero} called out. “Hello? Are you there?”",
                "“There,” said the echo, from every side at once.",
                seven("{hero} went to every side at once, one after the other."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "So {hero} went home, with empty hands.",
                "{He} sat down {at_home}, {glow}, and a tear ran down to the tip of {his} nose.",
                nine("It stayed there for a while, as if it, too, did not know where to go next."),
            ),
            tell(
                "There was nowhere left to look.",
                "{hero} walked home the slow way, and did not kick a single stone.",
                five("“I looked everywhere,” {he} said to the doormat."),
            ),
        ),
        beat(
            Shot(hero="still", friend="glad", light="key"),
            tell(
                "“There you are!” cried {friend}. “I have been looking for you all day!”",
                "“For me?” said {hero}.",
                five("“I followed you everywhere. You are very quick. I wanted to give you this.”"),
                "{friend} held out both hands. And there, at last, was what {hero} had been looking for: {thing}.",
            ),
            tell(
                "On the step sat {friend}. “Where have you been? I have been waiting since breakfast.”",
                "{hero} told {fhim} about {thing}, and {friend} began to smile.",
                five("“Close your eyes,” said {friend}. “Now turn around three times. Now look.”"),
                "{hero} looked. And there, right at home, {he} saw {thing}!",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "That night {hero} did not look for anything.",
                "{He} had all that {he} needed, and {friend} had half of the blanket.",
                five("“Next time,” said {friend}, “look for me first.”"),
            ),
            tell(
                "“You know,” said {hero}, “I found more than I was looking for.”",
                "“What else did you find?” asked {friend}.",
                "“You,” said {hero}. “You waited.”",
            ),
        ),
    ),
)

TRAIL = Arc(
    name="trail",
    strands=True,
    needs=frozenset({"thing"}),
    titles=("{hero} Follows the Trail", "The Search for {thing}", "Ask the Next One", "{hero} and {thing}"),
    refrains=(
        "“Go on a little,” it said. “And do not give up.”",
        "It was not much to go on. But it was something.",
        "And so {hero} went on a little.",
    ),
    beats=(
        beat(
            Shot(hero="glad", light="day"),
            tell(
                "“I am off,” said {hero}, “to find {my_thing}.”",
                "“Is it far?” asked {friend}.",
                "“I hope so,” said {hero}. “I have packed four buns.”",
                shot=Shot(hero="glad", friend="calm", light="day"),
            ),
            tell(
                "{It_was} gone. {hero} had lost {lost}, and there was a hole in the day where {it} used to be.",
                five("“Things do not just go,” said {hero}. “Things go somewhere.”"),
                "So {hero} set off to find {thing}.",
            ),
            tell(
                "{hero} needed just one thing in all the world: {thing}.",
                five("{He} had tried doing without. It had not worked. It had not even nearly worked."),
                "So {he} put on {his} walking face, and off {he} went.",
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="day"),
            tell(
                "{hero} came {to_p1}. A snail was crossing the path.",
                "“I am looking for {my_thing},” said {hero}. “Which way {is_it}?”",
                five("The snail thought about it for as long as it takes to eat a bun. {hero} ate a bun."),
                "Then it pointed with one horn. {refrain}",
            ),
            tell(
                "The first sign was {at_p1}. It was a footprint, and not one of {hero}'s.",
                "{hero} put {his} own foot beside it. It was nearly the same size.",
                "“Somebody came this way,” {he} said, and followed.",
            ),
        ),
        beat(
            Shot(hero="calm", at="second", light="evening"),
            tell(
                "{At_p2} {hero} met a crow with a cold.",
                "“{Your_thing}?” said the crow. “I heard about {that}. Or was it soup?” It sneezed.",
                five("{hero} gave the crow a bun, for the cold."),
                "{refrain}",
            ),
            tell(
                "The second sign was {at_p2}. It was a bun crumb. Then another. Then a whole row of them.",
                "{hero} followed the crumbs, and ate only a few.",
                seven("“For strength,” {he} told {himself}, because a detective has to keep up {his} strength."),
            ),
        ),
        beat(
            Shot(hero="still", at="third", light="mist", held=True),
            tell(
                "{At_p3} there was nobody to ask. There was only fog, and a signpost with no words on it.",
                "{hero} held up {his} {held}. The light went as far as {his} nose.",
                "“Go on a little,” said {hero} to {himself}. So {he} did.",
            ),
            tell(
                "The third sign was {at_p3}. It was a song. Somebody in the fog was humming.",
                "{hero} lifted {his} {held} and stood quite still.",
                five("It was a tune that {he} knew. {He} knew it very well. But from where?"),
            ),
        ),
        beat(
            Shot(hero="calm", at="third", light="key"),
            tell(
                "Then it was evening, and the path stopped.",
                "{hero} sat down on the last stone. There was one bun left. {He} was too sad to eat it.",
                five("“I wish I had somebody to share it with,” said {hero}."),
            ),
            tell(
                "And then there was nothing. No print, no crumb, no song.",
                "{hero} had walked all day. “I have lost the trail,” {he} said, “and I think I have lost me.”",
            ),
        ),
        beat(
            Shot(hero="still", friend="glad", at="third", light="key"),
            tell(
                "“Share what?” said a voice. There stood {friend}, rather out of breath.",
                "“I came after you,” said {friend}. “You forgot something.” And {fhe} held out the map.",
                five("{hero} had been holding the picnic blanket. All day long."),
                "On the map was a little red cross. They went around the corner, and there they found {thing}.",
            ),
            tell(
                "“Boo,” said {friend}, and stepped out of the evening.",
                "“It was you!” cried {hero}. “The footprint! The crumbs! The song!”",
                five(
                    "“I went ahead to find {them} for you,” said {friend}. “I wanted it to be a "
                    "surprise. But you are a very good finder.”"
                ),
                "And {friend} gave {him} what {he} had come for: {thing}.",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "They walked home together, {glow}, and shared the last bun.",
                "“Was it far?” asked {friend}.",
                "“Just far enough,” said {hero}.",
                nine(
                    "And if you ask how far that is, it is as far as you can go and still be home in time for supper."
                ),
            ),
            tell(
                "It is shorter on the way home. Everybody knows that.",
                "{hero} had {thing}, and {friend}, and nothing more to wish for.",
                five("“Except a bun,” said {friend}. “Somebody ate my crumbs.”"),
            ),
        ),
    ),
)

ARCS = (EVERYWHERE, TRAIL)
