"""Arcs about wanting to do something: by trying again, by helping others first, and by being laughed with."""

from story.arcs.model import Arc, beat, five, nine, seven, tell
from story.stage import Shot

AGAIN = Arc(
    name="again",
    needs=frozenset({"wish"}),
    titles=("{hero} Tries Again", "How {hero} {wish_past}", "Not Yet, {hero}", "One More Try"),
    refrains=(
        "“Not yet,” said {hero}. “But nearly.”",
        "Bump! “Again,” said {hero}.",
        "It did not work. It was rather fun, though.",
    ),
    beats=(
        beat(
            Shot(hero="glad", light="day"),
            tell(
                "More than anything, {hero} wanted to {wish}.",
                "{He} thought of it at breakfast. {He} thought of it at supper.",
                five("Once {he} thought of it so hard that {he} put jam on {his} nose."),
                "“Today I shall {my_wish},” said {hero}. “How hard can it be?”",
            ),
            tell(
                "One morning {hero} woke up with a wish. It was sitting there before {he} had even opened {his} eyes.",
                "{hero} wanted to {wish}.",
                five("“I have never done it before,” {he} told the teapot. “That is no reason not to start.”"),
            ),
        ),
        beat(
            Shot(hero="glad", at="first", light="day"),
            tell(
                "{hero} went {to_p1} to try.",
                "{He} took a deep breath. Ready, steady… oh dear.",
                five("{look1}"),
                "{refrain}",
            ),
            tell(
                "The first try was {at_p1}.",
                "It began very well. It ended upside down.",
                seven(
                    "{hero} lay there for a moment and had a good look at the sky, which was still where it should be."
                ),
                "{refrain}",
                shot=Shot(hero="calm", at="first", light="day"),
            ),
        ),
        beat(
            Shot(hero="still", at="second", light="evening", held=True),
            tell(
                "Perhaps it was the wrong place. So {hero} went {to_p2}.",
                "{look2}",
                five("This time {he} brought a {held}, for luck."),
                "One, two, three, and… oh.",
                "{refrain}",
            ),
            tell(
                "The second try was {at_p2}, with a {held}, because a {held} is never a bad idea.",
                "It was a bad idea.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="glad", at="third", light="mist"),
            tell(
                "The third try was {at_p3}.",
                "{hero} did everything {he} had learned. {He} did it slowly. {He} did it with {his} "
                "tongue sticking out.",
                five("For one small moment it almost worked."),
                "And then it did not.",
                "{refrain}",
            ),
            tell(
                "“Third time lucky,” said {hero}, {at_p3}.",
                "It was not lucky. It was muddy.",
                five("{look3}"),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", friend="still", light="key"),
            tell(
                "That evening {hero} sat {at_home} and did not say a word.",
                "“I cannot do it,” {he} told {friend} at last. “I cannot {my_wish}. I tried it every way there is.”",
                five("“Every way?” said {friend}."),
            ),
            tell(
                "“Well?” said {friend}. “Did it go well?”",
                "{hero} shook {his} head. {His} ears were full of mud and {his} heart was full of something like it.",
                "“I am no good at it,” {he} said.",
                nine("“I was no good at it in three different places, so you cannot even blame the weather.”"),
            ),
        ),
        beat(
            Shot(hero="glad", friend="calm", light="key"),
            tell(
                "“You have not tried it with somebody watching who likes you,” said {friend}. And "
                "{fhe} sat down to watch.",
                "So {hero} tried once more. Not for luck. Just to show {friend}.",
                five("{friend} held {fhis} breath. So did {hero}."),
                "And {hero} {wish_past}!",
            ),
            tell(
                "“Show me,” said {friend}.",
                "{hero} showed {fhim} the first try. {friend} laughed, and then {hero} laughed. {He} "
                "showed {fhim} the second, and the third.",
                five("“Do the good bits again,” said {friend}. “Only the good bits.”"),
                "So {hero} did only the good bits. And that was it! {hero} {wish_past}!",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="evening"),
            tell(
                "“Again!” shouted {friend}. And {hero} did it again, and again, until the day was used up.",
                five("“How hard was it?” asked {friend}."),
                five("“Very,” said {hero}, happily. “That is the best part.”"),
            ),
            tell(
                "Next morning {hero} woke up, and the wish was gone. There was something better in its place.",
                "“I know how to {my_wish},” said {hero}. “Who wants to learn?”",
                five("“Me,” said {friend}. “But I will fall over.”"),
                five("“Good,” said {hero}. “That is how it starts.”"),
                shot=Shot(hero="glad", friend="glad", light="day"),
            ),
        ),
    ),
)

LATER = Arc(
    name="later",
    needs=frozenset({"wish"}),
    titles=("{hero} and the Long Way Round", "Tomorrow, Said {hero}", "{hero}, Who Wanted to {wish}", "Helping First"),
    refrains=(
        "“My wish can wait a bit,” said {hero}.",
        "And so the wish had to wait.",
        "“Then tomorrow,” said {hero} to {his} wish.",
    ),
    beats=(
        beat(
            Shot(hero="glad", light="day"),
            tell(
                "{hero} had one great wish. {He} wanted to {wish}.",
                "“Today is the day,” said {hero}, and set off with quick steps.",
                seven("{He} had packed a bun, a map of nowhere in particular, and a great deal of hope."),
            ),
            tell(
                "Some wish for cake, and some wish for rain. {hero} wished to {wish}.",
                "“Out of my way, please,” {he} told a snail. “I am going to {my_wish}.”",
                five("The snail went out of {his} way, which took most of the morning."),
            ),
        ),
        beat(
            Shot(hero="still", friend="calm", at="first", light="day"),
            tell(
                "But {at_p1} sat {friend}, with a wheelbarrow that had lost its wheel.",
                "{hero} looked at the sky. There was still time. So {he} stopped, and mended the wheel.",
                five("“Thank you,” said {friend}. “Where were you going?”"),
                "{refrain}",
            ),
            tell(
                "{At_p1} somebody was sighing. It was {friend}.",
                "“My roof leaks,” said {friend}, “and I have only two hands.”",
                five("“I have two more,” said {hero}. And that made four."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", at="second", light="day"),
            tell(
                "{At_p2}, a very small mouse had lost her very small spoon.",
                "{hero} looked under every leaf. It took all afternoon.",
                five("The spoon was in the mouse's pocket. “Oh,” said the mouse. “So it is.”"),
                "{refrain}",
            ),
            tell(
                "{At_p2}, an old tortoise was stuck on his back.",
                "“I have been counting clouds,” said the tortoise. “Would you mind?”",
                "One, two, heave! {hero} set him on his feet again.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="third", light="evening", held=True),
            tell(
                "{At_p3} it was growing dark, and a family of ducks did not know the way home.",
                "{hero} went in front with a {held}. Behind {him} came one, two, three, four, five ducks.",
                five("The fifth one walked very slowly and wanted to know the names of all the stars."),
                "{refrain}",
            ),
            tell(
                "{At_p3}, an owl had dropped his glasses. “Is that a bush,” asked the owl, “or are you somebody?”",
                "“I am somebody,” said {hero}. {He} held up a {held}, and they looked until the glasses were found.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "And then the day was over.",
                "{hero} sat {at_home}, {glow}. Everybody had been helped. But the wish was still only a wish.",
                five("“I did not even begin,” said {hero}. {His} voice had a crack in it."),
            ),
            tell(
                "When {hero} came home, {his} feet were tired and {his} wish was cold.",
                "“Perhaps I shall never {my_wish},” {he} said, and nobody answered.",
                nine(
                    "It did seem unfair: a whole day gone, every minute of it well spent, and not a "
                    "single one of them on the thing itself."
                ),
            ),
        ),
        beat(
            Shot(hero="still", friend="glad", light="key"),
            tell(
                "Knock, knock. It was {friend}. And behind {friend} came everybody.",
                "“You helped us with ours,” said {friend}. “Now we help you with yours.”",
                five("One held, one pushed, one counted, and one shouted, “Now!”"),
                "And {hero} {wish_past}!",
            ),
            tell(
                "Then there was a noise at the gate, of many feet trying to be quiet.",
                "“Surprise,” said {friend}. “You gave us your day. We have brought you one back.”",
                five("They had all been talking, and they had a plan. It was drawn on a cabbage leaf."),
                "It was a very good plan. {hero} {wish_past}, with everybody cheering!",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "It was better than {hero} had dreamed. A wish is bigger when there are many inside it.",
                five("“And tomorrow?” asked {friend}."),
                "“Tomorrow,” said {hero}, “we do yours.”",
            ),
            tell(
                "Afterwards there was cake. It was a little burnt, and nobody minded.",
                "“I took the long way round,” said {hero}.",
                "“It was the right way,” said {friend}.",
            ),
        ),
    ),
)

ARCS = (AGAIN, LATER)
