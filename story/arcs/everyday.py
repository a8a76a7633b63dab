"""Arcs for ideas that name no trouble: a question about something, and a sound in the night."""

from story.arcs.model import Arc, beat, five, nine, seven, tell
from story.stage import Shot

QUESTION = Arc(
    name="question",
    needs=frozenset({"topic"}),
    titles=("{topic}", "{hero} Asks About {topic}", "{hero} and {topic}", "A Question for {friend}"),
    refrains=(
        "“That is one answer,” said {hero}. “It is not mine.”",
        "{hero} said thank you. But {he} still did not know.",
        "{hero} tied a knot in {his} hanky, so as not to forget it.",
    ),
    beats=(
        beat(
            Shot(hero="calm", light="day"),
            tell(
                "{hero} had a question. It was a question about {topic}.",
                five("It had come in the night and sat on the end of the bed, and in the morning it was still there."),
                "“What is it all about?” said {hero}. “I want to know. I shall go and ask.”",
            ),
            tell(
                "“Tell me about {topic},” said {hero} at breakfast. But the porridge did not know.",
                "So {hero} went out to ask somebody who did.",
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="day"),
            tell(
                "First, {he} asked the snail {at_p1}.",
                "“{Topic}?” said the snail. “You must take it slowly. That is the secret of it.”",
                "{refrain}",
            ),
            tell(
                "{At_p1}, a mother duck was counting her ducklings.",
                "“{Topic}? It is something you keep counting,” said the duck, “and there is always "
                "one that you forgot.”",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="glad", at="second", light="evening"),
            tell(
                "Next, {he} asked the crow {at_p2}.",
                "“{Topic}!” said the crow. “Best seen from above.” And off it flew.",
                five("{hero} jumped as high as {he} could. It was not high enough to see."),
                "{refrain}",
            ),
            tell(
                "{At_p2} an old toad sat in the last of the sun.",
                "“When I was young,” said the toad, “everything was bigger. {Topic}, most of all.” "
                "He held his arms out wide.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="third", light="mist", held=True),
            tell(
                "Then {he} asked the owl {at_p3}. The owl had a book about everything.",
                "“{Topic},” read the owl. “See page nine.” But somebody had eaten page nine.",
                five("“Moths,” said the owl, and closed the book with great sadness."),
                "{refrain}",
            ),
            tell(
                "{At_p3} there was nobody to ask but the fog.",
                "“What do you know about {topic}?” called {hero}. “Oh,” said the fog. “Oh, oh, oh.”",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "{hero} sat {at_home}, {glow}, with too many answers.",
                "They did not fit together. They did not even fit in {his} head.",
                seven(
                    "“Perhaps it is a silly question,” said {hero}, who had begun to think that {he} was silly, too."
                ),
            ),
            tell(
                "So {hero} went home. {He} had asked everybody, and {he} knew less than before.",
                "“Everybody knows something about {topic},” {he} sighed. “Everybody but me.”",
            ),
        ),
        beat(
            Shot(hero="calm", friend="calm", light="key"),
            tell(
                "{friend} came and sat beside {him}.",
                "“What do you think?” asked {friend}. Nobody had asked {him} that.",
                five("{hero} thought. It was quiet for a while, and {friend} did not mind."),
                "“I think,” said {hero} slowly, “I think {topic} is a thing you have to share. Then you know.”",
            ),
            tell(
                "“You asked everybody,” said {friend}. “But you did not look for yourself.”",
                "So they looked together, {friend} to the left and {hero} to the right.",
                five("They looked until their eyes were used to it. It had been there all the time, quite close."),
                "“Oh!” said {hero}. “So this is {topic}!”",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "“Is that the right answer?” asked {friend}.",
                "“It is mine,” said {hero}. “You may have half.”",
                nine("Half an answer each is a fine thing to have, because you need to meet again to make it whole."),
            ),
            tell(
                "The next day, a very small mouse knocked at the door. “Please,” it said, “what is it about {topic}?”",
                "{hero} and {friend} looked at each other, and laughed.",
                "“Come in,” said {hero}. “It is a long story. It begins with breakfast.”",
                shot=Shot(hero="glad", friend="glad", light="day"),
            ),
        ),
    ),
)

SOUND = Arc(
    name="sound",
    needs=frozenset(),
    titles=(
        "The Sound in the Night",
        "{hero} and the Strange Noise",
        "Who Goes Tap, Tap, Tap?",
        "{hero} Hears Something",
    ),
    refrains=(
        "Tap. Tap. Tap.",
        "Tap, tap, tap, it went. And then it stopped.",
        "And there it was again: tap, tap, tap.",
    ),
    night=True,
    beats=(
        beat(
            Shot(hero="calm", at="bed", light="lamp"),
            tell(
                "One night there was a noise. Tap. Tap. Tap.",
                "{hero} sat up. “Who is there?” {he} said. Nobody said a thing.",
                five("“I cannot sleep if I do not know,” said {hero}. “I have to find out.”"),
            ),
            tell(
                "{hero} was nearly asleep when it began. Tap, tap, tap.",
                "It was not the clock. It was not the rain. It was not {hero}'s own tummy.",
                "“Then what is it?” said {hero}, and {he} very much wanted to know.",
            ),
        ),
        beat(
            Shot(hero="still", at="home", light="key", held=True),
            tell(
                "{hero} took a {held} and looked outside.",
                "There was a gate that swung in the wind. {hero} shut it. “That was it,” {he} said.",
                "{refrain}",
                five("“That was not it,” said {hero}."),
            ),
            tell(
                "“It is a branch,” said {hero}, and went to tie it up with string.",
                five("The branch held quite still. It looked as if it were listening, too."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="key", held=True),
            tell(
                "{He} followed the noise {to_p1}.",
                "An owl sat there and cracked nuts. “Is it you?” asked {hero}.",
                "“I go crick, crack,” said the owl. “Listen.”",
                "{refrain}",
            ),
            tell(
                "{At_p1} a woodpecker was sound asleep. {hero} woke him up to ask.",
                five("“At this hour?” said the woodpecker. “I have never been so insulted.”"),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="second", light="mist", held=True),
            tell(
                "{He} went all the way {to_p2}. There the fog came up, soft as a blanket.",
                "Something dripped. Drip, drip, drip. “Nearly,” said {hero}. “But that is a drip.”",
                "{refrain}",
            ),
            tell(
                "{At_p2} {he} stopped to listen. {He} put one ear to the ground.",
                "The ground was cold. It smelled of mushrooms. It said nothing.",
                seven("{hero} thanked it all the same, because you never know with the ground."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", at="third", light="key"),
            tell(
                "{hero} sat down. {He} was tired, and cold, and a long way from bed.",
                "“I give up,” {he} told the night. Then it came again, softly. Tap. Tap. Tap. And then, a sniff.",
                five("Gates do not sniff. Branches do not sniff. {hero} got up."),
            ),
            tell(
                "The noise had gone. That was worse.",
                "{hero} stood in the middle of so much quiet and wished {he} had stayed in bed.",
                "Then, quite near, somebody sneezed.",
            ),
        ),
        beat(
            Shot(hero="still", friend="calm", at="third", light="key"),
            tell(
                "Around the corner sat {friend}. {Fhe} had a little hammer, and a box, and a very red nose.",
                "Tap, tap, tap. “It was meant to be a surprise,” said {friend}. “It is a bed for "
                "visitors. So you can stay at mine.”",
                five("{hero} did not know what to say, so {he} held the nails."),
            ),
            tell(
                "It was {friend}! {Fhe} was tapping on a stone, all alone.",
                "“I could not sleep,” said {friend}. “So I tapped. I hoped that somebody would hear.”",
                "“I heard,” said {hero}. “I heard you the whole way.”",
            ),
        ),
        beat(
            Shot(hero="asleep", friend="calm", at="bed", light="lamp"),
            tell(
                "They walked home together, and nobody was tired any more, until they were. Then they were very tired.",
                "“Good night, {friend},” said {hero}.",
                "Tap, tap, tap, said {friend} on the wall. It means good night.",
            ),
            tell(
                "And so {friend} came home with {hero}, and had the warm side of the bed.",
                five("“What is that noise?” whispered {friend}, much later."),
                five("It was {hero}. {He} was snoring."),
                "And that was a noise that both of them liked.",
            ),
        ),
    ),
)

ARCS = (QUESTION, SOUND)
