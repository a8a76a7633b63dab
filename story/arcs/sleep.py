"""Arcs about wanting to sleep: by giving up the trying, and by being brave first. They end with the hero asleep."""

from dataclasses import replace

from story.arcs import fear
from story.arcs.model import Arc, Beat, beat, five, nine, seven, tell
from story.stage import Shot

# Quiet pages of a night: before the hero sleeps, and after.
YAWNING: Beat = beat(
    Shot(hero="calm", friend="still", at="bed", light="lamp"),
    tell(
        "Outside, the last window went dark. Then there was only the clock, and the two of them.",
        "“Tick,” said the clock. “Tock,” said {friend}, very softly.",
    ),
    tell(
        "{hero} yawned. It was a small yawn, just to try it out.",
        "{friend} caught it, and then there were two.",
    ),
)
SLEEPING: Beat = beat(
    Shot(hero="asleep", at="bed", light="night"),
    tell(
        "The moon looked in at the window, on tiptoe, so as not to wake anybody.",
        "It only wanted to see how {hero} slept. {He} slept very well.",
    ),
    tell(
        "All night long the wind went around the house and said hush to everything.",
        "It need not have said it to {hero}. Sleep well, {hero}.",
    ),
)
_QUIET = {6: YAWNING, 7: SLEEPING}

SLEEPLESS = Arc(
    name="sleepless",
    needs=frozenset({"sleep"}),
    titles=("Wide Awake", "Good Night, {hero}", "{hero} and the Long Night", "The Night {hero} {wish_past}"),
    refrains=(
        "And {hero} was still awake.",
        "“Still awake,” said {hero}, and it was true.",
        "But sleep did not come to {hero}.",
    ),
    night=True,
    quiet=_QUIET,
    beats=(
        beat(
            Shot(hero="calm", at="bed", light="lamp"),
            tell(
                "It was late, and {hero} wanted just one thing. {He} wanted to {wish}.",
                five("The moon was up. The clock said tick. Even the floorboards had stopped creaking."),
                "But {his} eyes would not stay shut.",
            ),
            tell(
                "Night came. {hero} lay on one side. {He} lay on the other. There was no third, so {he} sat up.",
                "“I only want to {my_wish},” said {hero}. “Why is it so hard?”",
            ),
        ),
        beat(
            Shot(hero="calm", at="bed", light="key"),
            tell(
                "First, {hero} counted sheep. One jumped. Two jumped.",
                "The third one stopped, and asked what was on the other side.",
                five("After that they all wanted to know, and there was a queue."),
                "{refrain}",
            ),
            tell(
                "First, {hero} shook out the pillow. {He} shook it until it was as round as a pudding.",
                five("Now it was so round that {he} rolled off it."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="key", held=True),
            tell(
                "A walk makes you tired. So {hero} took a {held} and went {to_p1}.",
                "It made {his} feet tired. But nobody had told the rest of {him}.",
                "{refrain}",
            ),
            tell(
                "{At_p1} there was an owl. “How do you sleep?” asked {hero}, and held up a {held}.",
                "“By day,” said the owl. “You should try it.”",
                five("{hero} did not want to wait as long as that."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="second", light="key"),
            tell(
                "{At_p2} lay a dormouse, fast asleep. “How do you do it?” whispered {hero}.",
                "“It is easy,” said the dormouse. “You begin by not asking.” And it was asleep again.",
                "{refrain}",
            ),
            tell(
                "{At_p2} {hero} sang {himself} a lullaby. It had four verses.",
                "By the second one all the birds were asleep. By the fourth, so were the stones.",
                seven("It was a very good lullaby. It is only hard to sing one and to sleep at the same time."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", at="bed", light="key"),
            tell(
                "So {hero} went back to bed. The night was long, and {he} was the only one in it.",
                "“Everybody can do it but me,” {he} said. “Even stones can do it.”",
                nine("Nothing is so far away as sleep when you run after it, and nothing makes you so wide awake."),
            ),
            tell(
                "{hero} sat in bed. {His} eyes were tired. {His} thoughts were not.",
                "There were so many of them: today's, and tomorrow's, and one about a beetle.",
                five("They all wanted to be thought at once."),
            ),
        ),
        beat(
            Shot(hero="calm", friend="calm", at="bed", light="lamp"),
            tell(
                "Then the door opened, just a little. It was {friend}, with a blanket. “I saw your light,” {fhe} said.",
                "“I have tried everything,” said {hero}. “I cannot {my_wish}.”",
                "“Then stop trying,” said {friend}. “Let us sit here, and I will tell you about my day.”",
            ),
            tell(
                "“Move over,” said {friend}, who had come in {fhis} slippers.",
                "“What do you do when you cannot sleep?” asked {hero}.",
                "“Nothing,” said {friend}. “I do nothing at all, and I do it very slowly.”",
                five("So they did nothing, side by side. {hero} was surprised how good {he} was at it."),
            ),
        ),
        beat(
            Shot(hero="asleep", friend="calm", at="bed", light="lamp"),
            tell(
                "“And then there was soup,” said {friend}. “Do you like soup?”",
                "Nobody answered. At last, at last, {hero} {wish_past}.",
                five("{friend} pulled up the blanket, and stayed for a bit, just because it was nice."),
            ),
            tell(
                "First {his} feet grew heavy. Then {his} ears. Then {his} thoughts lay down, one by one.",
                "And {hero} {wish_past}.",
                five("“You see?” whispered {friend}. But {hero} did not see. {He} was asleep."),
            ),
        ),
    ),
)

BRAVE_ASLEEP = replace(
    fear.BESIDE,
    name="brave-asleep",
    needs=frozenset({"fear", "sleep"}),
    quiet=_QUIET,
    beats=(
        *fear.BESIDE.beats[:-1],
        beat(
            Shot(hero="asleep", friend="calm", at="bed", light="lamp"),
            tell(
                "And then {hero} {wish_past}. {He} really did.",
                "Was {he} still afraid of {fear}? Yes. A little. But there were two of them to carry it.",
                five("“Brave by bedtime,” whispered {friend}."),
            ),
            tell(
                "“And {your_fear}?” whispered {friend}. “Are you still afraid?”",
                "Nobody answered. {hero} {wish_past}.",
                five("It was a very brave noise, for a snore."),
            ),
        ),
    ),
)

ARCS = (SLEEPLESS, BRAVE_ASLEEP)
