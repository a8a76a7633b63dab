"""Arcs about being afraid: of being brave beside somebody, and of being too busy to be afraid."""

from story.arcs.model import Arc, beat, five, nine, seven, tell
from story.stage import Shot

BESIDE = Arc(
    name="beside",
    needs=frozenset({"fear"}),
    titles=("{hero} and {fear}", "Brave by Bedtime", "Who's Afraid of {fear}?", "Two Is Braver"),
    refrains=(
        "But a fear does not go away just because it is told to.",
        "And the fear stayed exactly where it was.",
        "It was a good plan. It did not work.",
    ),
    beats=(
        beat(
            Shot(hero="calm", light="evening"),
            tell(
                "There was only one trouble. {hero} was afraid of {fear}.",
                five("Nobody knew. {He} kept it tucked away like a pebble in a pocket."),
                nine("It is hard to keep a secret like that, because a secret grows heavier the longer it is carried."),
                "“I want to be brave,” said {hero}. “I want to be brave by bedtime.”",
            ),
            tell(
                "{hero} was good at many things. {He} was not good at {fear}.",
                five("Just to think of {fear} made {his} tummy feel like a bag of frogs."),
                seven("{He} had never told anybody, not even {friend}."),
                "“Tonight,” said {hero}, “I am going to stop being afraid.”",
            ),
            tell(
                "{hero} wanted to {wish}. {He} wanted it very, very much.",
                "But {he} was afraid of {fear}.",
                five(
                    "The wanting pulled one way. The fear pulled the other. {hero} stood in the middle and got nowhere."
                ),
                "“I shall just have to get brave,” said {hero}.",
            ),
        ),
        beat(
            Shot(hero="calm", at="home", light="key"),
            tell(
                "First, {hero} tried not looking.",
                "{He} shut both eyes. {He} counted to ten, out loud and quite fast.",
                five("At eleven {he} peeped."),
                seven("Nothing had changed at all, except that now {he} had run out of numbers."),
                "{refrain}",
            ),
            tell(
                "The first plan was to sing.",
                "{hero} sang the loudest song {he} knew. It had seven verses. {He} sang them all.",
                five("Then the song was over, and it was very quiet."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="first", light="day", painted=True),
            tell(
                "Next, {hero} tried being somebody else.",
                "{He} found a pot of paint and made {himself} {pattern} from top to toe.",
                five("“Grr,” said {hero}. “Nobody as {pattern} as this is afraid of anything.”"),
                seven("A passing beetle looked up, and was not impressed."),
                "{refrain}",
            ),
            tell(
                "The second plan was to look fierce.",
                "{hero} stood up tall {at_p1} and growled. Grrr!",
                five("{look1}"),
                "The only one who jumped was {hero}.",
                seven("{He} said sorry to {himself}, and sat down until {his} heart stopped galloping."),
                "{refrain}",
                shot=Shot(hero="glad", at="first", light="day"),
            ),
        ),
        beat(
            Shot(hero="still", at="second", light="evening", held=True),
            tell(
                "Then {hero} tried being very well prepared.",
                "{He} packed a {held}, a bun, and another bun in case of trouble.",
                five("{He} walked all the way {to_p2}. {look2}"),
                "When the buns were eaten, {he} thought of {fear} again.",
                "{refrain}",
            ),
            tell(
                "The third plan was to run away from it.",
                "{hero} took a {held} and walked and walked, all the way {to_p2}.",
                five("But when you are afraid of {fear}, you take it with you wherever you go."),
                nine("It fits into any bag, it never gets tired, and it does not need a ticket."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", friend="still", light="key"),
            tell(
                "{hero} sat down {at_home}, {glow}, and felt small.",
                "“What is it?” said a voice. It was {friend}.",
                five("{hero} looked at {his} toes. {His} toes did not help."),
                "“I am afraid of {my_fear},” said {hero}, in a whisper.",
            ),
            tell(
                "“You look like a wet Monday,” said {friend}.",
                "{hero} did not want to say it. Then {he} said it anyway. “I am afraid of {my_fear}.”",
                five("It came out very small. But it was out."),
                nine(
                    "That is an odd thing about the truest words: they are often the shortest, and "
                    "take the longest to say."
                ),
            ),
        ),
        beat(
            Shot(hero="still", friend="glad", light="key"),
            tell(
                "{friend} did not laugh. “So am I,” said {friend}. “A little.”",
                "“You?” said {hero}.",
                five("“Me,” said {friend}. “Shall we be afraid together? It weighs less.”"),
                "So they went, side by side. One step. Two steps. Three.",
                seven("At four, {hero} noticed that {he} had forgotten to count."),
            ),
            tell(
                "“Is that all?” said {friend}. “I have been afraid of it since I was little.”",
                "{hero} stared. “But you are never afraid!”",
                "“I am,” said {friend}. “I just bring somebody.” And {fhe} held out {fhis} hand.",
                "One, two, three. And off they went, together.",
                nine("It turned out to be very much the same as before, only now there was somebody to say so to."),
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "Was {hero} still afraid of {fear}? Yes. A little.",
                "But a little is small enough to carry. And now there were two to carry it.",
                five("“Brave by bedtime,” said {hero}, and yawned."),
            ),
            tell(
                "“We did it,” said {friend}. “And {your_fear}?”",
                "{hero} thought about it. “Smaller,” {he} said. “About as big as a bun.”",
                five("Then they laughed until they had to sit down."),
                "And that was the night when {hero} was brave.",
            ),
            tell(
                "And then {hero} {wish_past}. {He} really did.",
                "Was {he} still afraid of {fear}? Yes. A little. But there were two of them to carry it.",
                five("“Brave by bedtime,” said {friend}."),
            ),
        ),
    ),
)

TOO_BUSY = Arc(
    name="too-busy",
    needs=frozenset({"fear"}),
    titles=("{hero} Goes Anyway", "The Night {hero} Forgot to Be Afraid", "{hero} and {fear}", "Somebody Has to Go"),
    refrains=(
        "“Not me,” said {hero}. “Not yet.”",
        "“Soon,” said {hero}. But {he} did not move.",
        "“I would go,” said {hero}, “if it were not for {my_fear}.”",
    ),
    night=True,
    stays_home=True,
    beats=(
        beat(
            Shot(hero="still", light="evening"),
            tell(
                "One evening, {friend} did not come home.",
                "{friend} always came by to say good night. But now the path was empty.",
                five("“Somebody ought to go and look,” said {hero}. There was only one somebody there."),
                "And {hero} was afraid of {fear}.",
            ),
            tell(
                "Everybody has something. With {hero}, it was {fear}. {He} was so afraid of {fear} "
                "that {he} stayed in.",
                five("“I am quite happy indoors,” {he} always said, which was nearly true."),
                "Then, one evening, a call came from far away. “Help!” It was {friend}.",
            ),
        ),
        beat(
            Shot(hero="glad", light="evening"),
            tell(
                "{hero} called from the doorstep. “{friend}! Come home!”",
                five("The echo came home. {friend} did not."),
                "{refrain}",
            ),
            tell(
                "First, {hero} shouted. “Are you all right?”",
                "“No!” called {friend}, a long way off.",
                five("{hero} had hoped for a yes."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", light="key", held=True),
            tell(
                "Then {hero} held up a {held}, as high as {he} could.",
                five(
                    "“Follow the light!” {he} called. {He} held it until {his} arm ached, and then "
                    "until the other arm ached."
                ),
                "Nobody came.",
                "{refrain}",
            ),
            tell(
                "Next, {hero} set a {held} by the door and waited beside it.",
                "It lit up the step. It lit up the gate. It did not light up {friend}.",
                seven("A moth came, said nothing useful, and stayed."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "Then {hero} made up reasons to stay.",
                "It was late. It was chilly. Somebody had to mind the kettle.",
                five("They were good reasons, and every one of them had {fear} hiding behind it."),
                "{refrain}",
            ),
            tell(
                "{hero} wrote a letter. “Dear {friend}, please come home.”",
                "But there was nobody to take it.",
                five("“A letter needs legs,” said {hero}, and looked down at {his} own."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "It grew late. {hero} thought of {friend}, all alone out there.",
                "Perhaps {friend} was afraid too.",
                five("It was a new thought. It was bigger than {fear}."),
                nine("There was hardly room for both of them in one head, and so one of them had to move over."),
            ),
            tell(
                "Then {hero} heard something. It was very faint. It was {friend}, crying.",
                "Something in {hero} stood up, before the rest of {him} could argue.",
            ),
        ),
        beat(
            Shot(hero="still", friend="calm", at="first", light="key", held=True),
            tell(
                "And {hero} went.",
                "{He} went fast, all the way {to_p1}, and there sat {friend}.",
                five("“I twisted my foot,” said {friend}. “And I called, and called. And you came.”"),
                "“Of course I came,” said {hero}. “Lean on me.”",
                seven("It was a slow walk back, and {hero} talked the whole way, mostly about soup."),
            ),
            tell(
                "One foot. Then the other. {hero} was on {his} way.",
                "“{friend}! I am coming!” {He} ran the last bit, all the way {to_p1}.",
                five("And there was {friend}, with leaves all over and a wobbly smile."),
                "“You came,” said {friend}. “Right through {your_fear}.”",
                seven("“Did I?” said {hero}, and looked behind {him}, quite surprised."),
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "At home they had soup, and then more soup.",
                "“Were you not afraid of {your_fear}?” asked {friend}.",
                "{hero} put down {his} spoon. “I forgot,” {he} said. “I was too busy.”",
                nine(
                    "It is not the same as never being afraid, but it is every bit as good, and it "
                    "gets you there sooner."
                ),
            ),
            tell(
                "“I thought you were afraid of {your_fear},” said {friend}, when they were home and warm.",
                "“I was,” said {hero}. “I am. But I was more afraid of losing you.”",
                five("And the two of them sat close together, {glow}, for a long time."),
            ),
        ),
    ),
)

ARCS = (BESIDE, TOO_BUSY)
