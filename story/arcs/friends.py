"""Arcs for any idea, about friends: a present, and two who are not alike."""

from story.arcs.model import Arc, beat, five, nine, seven, tell
from story.arcs.shared import ALONE
from story.stage import Shot

PRESENT = Arc(
    name="present",
    needs=frozenset(),
    titles=(
        "A Present for {friend}",
        "{hero} Makes a Present",
        "The Best Present in the World",
        "What Do You Give {friend}?",
    ),
    refrains=(
        "It was a lovely present. It just did not last.",
        "“Oh,” said {hero}. “Well. There is still time.”",
        "And that was the end of that present.",
    ),
    beats=(
        beat(
            Shot(hero="calm", light="day"),
            tell(
                "Tomorrow was {friend}'s birthday.",
                "{hero} wanted to give {fhim} the best present in the world.",
                five("{He} did not have any money. {He} had two hands, one day, and a great deal of string."),
            ),
            tell(
                "“It is my birthday tomorrow,” said {friend}, “but you need not give me anything.”",
                "“I shall give you the best thing there is,” said {hero}. “I only have to find out what.”",
                shot=Shot(hero="calm", friend="glad", light="day"),
            ),
        ),
        beat(
            Shot(hero="glad", at="first", light="day"),
            tell(
                "{At_p1} {hero} picked the biggest bunch of flowers that {he} could carry.",
                "But there was a goat on the way home. It was a hungry goat.",
                five("“Delicious,” said the goat. “Whose birthday is it?”"),
                "{refrain}",
            ),
            tell(
                "First, {hero} baked a cake and set it out {at_p1} to cool.",
                "It had cherries. It had cream. Then it had sparrows.",
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="still", at="second", light="day", boat=True),
            tell(
                "Next, {hero} built a boat out of a box, {at_p2}. It was called {friend}. {He} set it in a puddle.",
                "It floated for as long as it takes to say {friend}. Then it did not.",
                "{refrain}",
            ),
            tell(
                "“A boat,” said {hero}. “Everybody wants a boat.” {He} built one {at_p2}, from a door.",
                five("It was a fine boat. But it was somebody's door, and that somebody wanted it back."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="glad", at="third", light="evening"),
            tell(
                "Then {hero} made up a song {at_p3}. It was the best song ever.",
                "{He} sang it all the way home, so as not to lose it. At the gate, {he} sneezed, and it was gone.",
                "{refrain}",
            ),
            tell(
                "Then {hero} caught the last bit of sun {at_p3}, in a jar, and put the lid on quickly.",
                "When {he} looked inside, there was nothing but jar.",
                seven("It is the trouble with sunshine, that it will not be kept."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "The day was gone. There was no present, only a bit of string.",
                "{hero} sat {at_home}, {glow}. “The best present in the world,” {he} said, “and I have not got it.”",
            ),
            tell(
                "That night {hero} turned out all {his} pockets. There was string. There was fluff.",
                "“You cannot give anybody fluff,” said {hero}.",
                nine("{He} looked at it for a while from both sides, just to be sure, but it remained fluff."),
            ),
        ),
        beat(
            Shot(hero="still", friend="calm", light="key"),
            tell(
                "There was a knock. “I cannot wait until tomorrow,” said {friend}. “What did you do all day?”",
                "So {hero} told {fhim}. About the first present, and what ate it. About the boat. "
                "About the third one, and how it got away.",
                five("{friend} laughed so hard that {fhe} had to hold on to the door."),
                "“Tell it again!” said {friend}.",
            ),
            tell(
                "In the morning {hero} went to {friend} with empty hands, and told {fhim} everything.",
                "“All day?” said {friend}. “You thought of me all day? From breakfast?”",
                "“From before breakfast,” said {hero}.",
                five("“Nobody ever gave me a whole day before,” said {friend}."),
                shot=Shot(hero="still", friend="calm", light="day"),
            ),
        ),
        beat(
            # The birthday itself, whether the present was given the night before or in the morning.
            Shot(hero="glad", friend="glad", light="day"),
            tell(
                "And that was the present: a story with both their names in it.",
                "It could not be eaten. It could not sink. And {friend} never once lost it.",
                five("{Fhe} tied it up with the string, so to speak, and kept it always."),
            ),
            tell(
                "They used the string to tie the two of them together, leg to leg, and ran until they fell over.",
                "“Best present in the world,” said {friend}, upside down.",
            ),
        ),
    ),
)

UNLIKE = Arc(
    name="unlike",
    strands=True,
    needs=frozenset(),
    stranger=True,
    quiet={0: ALONE},
    titles=("{hero} and {friend}", "Too Fast, Too Slow", "Not at All Alike", "{friend} Comes to Stay"),
    refrains=(
        "“Well,” said {hero}, “that is not how I do it.”",
        "They did not fit. They did not fit at all.",
        "And each of them thought: what a pity.",
    ),
    beats=(
        beat(
            Shot(hero="still", friend="glad", light="day"),
            tell(
                "One day somebody new moved in next door. It was {a_fkind}, and {fhis} name was {friend}.",
                "{hero} had always wanted a friend. “I shall have one by supper,” {he} said.",
                five("{He} combed {his} head, which took some time, and went to say hello."),
            ),
            tell(
                "{hero} had always wanted somebody to play with. And then {friend} came.",
                "“I like getting up early,” said {hero}. “I like staying up late,” said {friend}.",
                "“We are going to be friends,” said {hero}, and hoped that it was true.",
            ),
        ),
        beat(
            Shot(hero="glad", friend="calm", at="first", light="day"),
            tell(
                "They went {to_p1} to run. {hero} ran fast. {friend} ran slowly, and stopped to look at ants.",
                "“There are two hundred and six,” said {friend}.",
                "{refrain}",
            ),
            tell(
                "{At_p1} they played hide and seek. {hero} hid so well that {friend} went home.",
                five("It was a very good hiding place. {hero} had a lot of time to think so."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", friend="still", at="second", light="day"),
            tell(
                "They had a picnic {at_p2}. {hero} had brought jam. {friend} had brought pickles.",
                "Nobody said anything. There was a lot of chewing.",
                "{refrain}",
            ),
            tell(
                "{At_p2} they sang. {hero} sang high and {friend} sang low, and neither would stop first.",
                seven("A bird who lived there packed its things."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", friend="glad", at="third", light="evening", boat=True),
            tell(
                "{At_p3} they found an old boat and climbed in. {hero} pulled to the left. {friend} "
                "pulled to the right.",
                "Round and round and round they went.",
                "{refrain}",
            ),
            tell(
                "They wanted to play sailors {at_p3}. “I am the captain,” said {hero}. “I am the "
                "captain,” said {friend}.",
                five("It was a ship with two captains, and it did not go anywhere."),
                "{refrain}",
            ),
        ),
        beat(
            Shot(hero="calm", light="key"),
            tell(
                "That evening {hero} sat alone {at_home}, {glow}.",
                "It was very quiet. Nobody counted ants. Nobody chewed pickles.",
                "It was strange to miss somebody who did everything wrong.",
            ),
            tell(
                "“I shall play by myself,” said {hero}. So {he} did.",
                "{He} hid, and nobody sought. {He} was captain, and nobody argued. It was no fun at all.",
            ),
        ),
        beat(
            Shot(hero="still", friend="still", light="key"),
            tell(
                "Then the wind blew the gate shut, and it would not open. Not for {hero}, who pushed fast.",
                "“Slowly,” said {friend}, from the other side. “You lift. I pull.”",
                five("One was quick, and one was patient. The gate needed both."),
                "Click. It was open.",
            ),
            tell(
                "Then it grew dark, and up on the roof something cried. It was a kitten, quite stuck.",
                "{hero} was fast enough to climb. {friend} was calm enough to call.",
                five("“Come, come, come,” sang {friend}, as low as a cello, and the kitten came."),
                "It took the two of them. One would not have been enough.",
            ),
        ),
        beat(
            Shot(hero="glad", friend="glad", light="key"),
            tell(
                "They put jam on the pickles. It was not good. They did it again the next day.",
                five("“We are not at all alike,” said {friend}."),
                "“No,” said {hero}. “Is it not lucky?”",
                five("And together they counted the ants. There were two hundred and seven."),
            ),
            tell(
                "After that, their songs had a high part and a low part, and it took two to sing them.",
                "And when they played at ships there were two captains, one for each end.",
            ),
        ),
    ),
)

ARCS = (PRESENT, UNLIKE)
