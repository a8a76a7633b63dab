"""Beats that any arc can borrow: how a story opens, and the quiet pages between the steps of a longer book."""

from story.arcs.model import Beat, beat, five, nine, seven, tell
from story.stage import Shot

OPENING: Beat = beat(
    Shot(hero="glad"),
    # An idea that says what its hero does.
    tell(
        "There was once {a_kind} called {hero}. {hero} {job}.",
        "{look_home}",
        five("It was a good life, and {hero} knew it by heart."),
    ),
    tell(
        "This is {hero}. {hero} is {a_kind}. But that is not the most important thing.",
        "The most important thing is this: {hero} {job}.",
        seven("Everybody for miles around could have told you so."),
    ),
    tell(
        "Not very far away, {at_home}, lived {a_kind} by the name of {hero}.",
        "{hero} {deed}, on weekdays and on Sundays, too.",
        five("{look_home}"),
    ),
    # An idea that says what befell its hero.
    tell(
        "There was once {a_kind} called {hero}. And one day {hero} {event}. Such things happen.",
        five("It is not the end of a story. It is more often the start of one."),
        "{look_home}",
    ),
    tell(
        "This is {hero}. {hero} is {a_kind}. And something had happened: {hero} {event}.",
        "But that was yesterday, and this was a new day. {look_home}",
    ),
    # An idea about somebody the picture model cannot draw: the story plays at it.
    tell(
        "Most days, {hero} was {a_kind}. Today {hero} was {a_role}.",
        "“I am {a_role} now,” {he} told {friend}.",
        "“So I see,” said {friend}, who was polite, and who liked a good game.",
        shot=Shot(hero="glad", friend="calm"),
    ),
    tell(
        "“Let us play that I am {a_role},” said {hero} the {kind}.",
        "And when {hero} plays, {he} does it properly. From that moment on, {he} was {a_role}, from nose to toe.",
        five("{look_home}"),
    ),
    tell(
        "Most days, {hero} was {a_kind}. But this was not most days. Today {hero} was {a_role} who {job}.",
        "{friend} looked twice. It was plainly {hero}. But a friend knows when not to say so.",
        "“Good morning, {role},” said {friend}.",
        shot=Shot(hero="glad", friend="calm"),
    ),
    tell(
        "“Let us play that I am {a_role},” said {hero} the {kind}. And when {hero} plays, {he} does it properly.",
        "From that moment on, {he} was {a_role} who {job}.",
        five("{look_home}"),
    ),
    # An idea in words that could not be read.
    tell(
        "“Tell me a story,” said {friend}. “Tell me this one: {quote}.”",
        "“I do not know that one,” said {hero} the {kind}. “But I know one that starts the same way.”",
        shot=Shot(hero="calm", friend="calm"),
    ),
    tell(
        "Somebody had written a note and left it {at_home}. On it stood: “{quote}.”",
        "{hero} the {kind} read it forwards, and then backwards. “It must be the start of something,” {he} said.",
    ),
    # No more than a name.
    tell(
        "{At_home} lived {a_kind}, and {his} name was {hero}.",
        "{look_home}",
        five("Next door lived {friend}, who was {a_fkind} and the best friend that anybody could have."),
    ),
    tell(
        "Once there was {a_kind} called {hero}, who was not very big, and not very small, but exactly right.",
        "{hero} lived {at_home}. {look_home}",
    ),
    tell(
        "If you go {to_home} early enough, you may meet {a_kind}. That is {hero}.",
        five("Say good morning. {He} always says it back."),
        "{look_home}",
    ),
    tell(
        "“Good morning, everything,” said {hero}, as {he} did every day.",
        "{hero} was {a_kind}, and everything was {home}, and it was a fine morning.",
        seven("Everything did not answer, but {hero} was sure that it was listening."),
    ),
)

# Quiet pages in reading order; each stands after the beat of the arc with the same index (0 is the opening).
INTERLUDES: tuple[Beat, ...] = (
    beat(
        Shot(hero="calm", friend="calm", light="day"),
        tell(
            "Now, {hero} had a friend, and that was {friend}. {friend} was {a_fkind}.",
            "They had breakfast together, and they talked about the weather. There was always some.",
        ),
        tell(
            "{friend} was {a_fkind}, and lived just around the corner.",
            "“Good morning, {hero},” said {friend}. “Good morning, {friend},” said {hero}. They never left it out.",
            seven("It is a small thing to say, but a day without it has a hole in it."),
        ),
    ),
    beat(
        Shot(hero="still", light="day"),
        tell(
            "But first {hero} had to get ready. {He} washed one ear.",
            "Then {he} thought again, and washed the other.",
        ),
        tell(
            "{hero} took a deep breath, all the way down to {his} toes, and let it out again.",
            "“Right,” said {hero}. That is how most things begin.",
        ),
    ),
    beat(
        Shot(hero="still", at="first", light="evening"),
        tell(
            "{hero} rested for a bit, and looked at nothing.",
            "“Never mind,” said the wind, as it always does. And {hero} did not mind, or not so very much.",
        ),
        tell(
            "After that, {hero} counted what {he} had left. Two feet. Two hands. One nose.",
            "“That is plenty,” {he} said, and went on.",
        ),
    ),
    beat(
        Shot(hero="calm", at="second", light="day"),
        tell(
            "It was time for a bun. It is hard to be hopeless with a bun.",
            "{hero} gave the crumbs to the ants, who had been hoping for just that.",
        ),
        tell(
            "{hero} found a good stone to sit on, and sat, and let {his} feet think it over.",
            five("“Shall we go on?” {he} asked them. The left one wanted to. The right one came along."),
        ),
    ),
    beat(
        Shot(hero="still", at="third", light="mist"),
        tell(
            "Then the fog came down, and the world was no bigger than a room.",
            "“Hello, world,” said {hero}. It is easy to talk to when it is that small.",
        ),
        tell(
            "It grew so foggy that {hero} could not see {his} own toes.",
            "{He} wiggled them. They were still there. That was something.",
        ),
    ),
    beat(
        Shot(hero="calm", light="key"),
        tell(
            "{hero} looked at the sky for a long time. It went up and up, and nobody had to hold it.",
            seven("That helped a little, though {hero} could not have told you why."),
        ),
        tell(
            "It was so still that {hero} could hear {his} own heart. Bump, bump. It had not given up.",
            "“All right,” said {hero} to {his} heart. “If you say so.”",
        ),
    ),
    beat(
        Shot(hero="glad", friend="still", light="evening"),
        tell(
            "“Did that just happen?” asked {hero}.",
            "“It did,” said {friend}. “I was there.”",
            "They both had to sit down. Then they both had to get up again and hop.",
        ),
        tell(
            "{hero} laughed out loud. It was a laugh that had been waiting all day.",
            "{friend} caught it, and then there were two.",
        ),
    ),
    beat(
        Shot(hero="asleep", at="bed", light="lamp"),
        tell(
            "And when the lamp was out and the blanket was up to {his} chin, {hero} said, “Good night, everything.”",
            "And everything, very quietly, said good night.",
        ),
        tell(
            "Then, at last, it was time for bed. {hero} lay there and thought of the day from the front to the back.",
            "{He} had not got to the middle before {he} was asleep. Sleep well, {hero}.",
            nine("Tomorrow would be another day, with nothing in it yet, like a clean page."),
        ),
    ),
)

# The first quiet page of an arc in which the friend is yet to come.
ALONE: Beat = beat(
    Shot(hero="calm"),
    tell(
        "{hero} had breakfast by the open window, as on every other day. There was one cup, and one spoon.",
        "It was a good breakfast. It was only a little too quiet.",
    ),
)

# Ends the opening where it has not said who the friend is, and what the hero wears.
FRIEND_LINES = (
    "{friend} was {a_fkind}, and {hero}'s best friend.",
    "And {hero} had a best friend, {a_fkind} called {friend}.",
    "Next door lived {friend}, {a_fkind} who was good at listening.",
)
GARMENT_LINES = (
    "{hero} never went anywhere without {his} {garment}.",
    "You could always tell that it was {hero}, by the {garment}.",
)
# What the hero carries wherever there is a hand free, and what stands at home.
CARRIED_LINES = (
    "And {he} seldom went out without {a_carried}.",
    "{He} liked to have {a_carried} at hand, just in case.",
)
STANDING_LINES = (
    "And where {hero} lived stood {a_standing}.",
    "If you saw {a_standing}, you knew that {hero} lived there.",
)
# Who else is in the idea: said at the opening, and at the end, when the hero is awake or sleeps.
COMPANY_LINES = (
    "And never far away: {a_company}.",
    "With {hero} came {a_company}, on all the best days.",
)
COMPANY_ENDINGS = (
    "And {company} clapped the loudest of all.",
    "And nobody was gladder than {company}.",
)
COMPANY_ENDINGS_ASLEEP = ("And next door {company} had slept right through it all.",)

# Ends a story that had others in it, and one that was played; by then its hero is awake or sleeps.
OTHERS_LINES = ("And {others} came by, to hear all about it.",)
OTHERS_LINES_ASLEEP = ("And {others} came by on tiptoe, so as not to wake {him}.",)
ROLE_LINES = (
    "“And tomorrow,” said {hero}, “I shall be {a_kind} again.”",
    "“Good night, {role},” said {friend}.",
)
ROLE_LINES_ASLEEP = (
    "And tomorrow {hero} would be {a_kind} again.",
    "“Good night, {role},” said {friend}.",
)

PLACE_WORDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # key: (noun phrase, at it, to it, what may be seen there)
    "meadow": (
        "the meadow",
        "in the meadow",
        "to the meadow",
        (
            "The grass was tall, and full of small busy noises.",
            "A bee went by and did not stop.",
            "Dandelion seeds sailed past like tiny umbrellas.",
        ),
    ),
    "forest": (
        "the forest",
        "in the forest",
        "into the forest",
        (
            "The trees stood close, and smelled of rain and pine.",
            "A pine cone dropped, just to see what would happen.",
            "High up, two squirrels were having an argument.",
        ),
    ),
    "beach": (
        "the beach",
        "on the beach",
        "down to the beach",
        (
            "The waves came in, said hush, and went out again.",
            "A crab walked past sideways, and pretended not to stare.",
            "The lighthouse stood on the headland like a candle on a cake.",
        ),
    ),
    "snow": (
        "the snowy hill",
        "on the snowy hill",
        "up the snowy hill",
        (
            "The snow creaked under every step like a new shoe.",
            "Everything was white, and it was so quiet you could hear it.",
            "One snowflake took its time and landed on a nose.",
        ),
    ),
    "town": (
        "the town",
        "in the town",
        "into the town",
        (
            "The air smelled of warm bread and wet paint.",
            "A window opened, and somebody shook out a blanket.",
            "The clock on the tower was five minutes late, as always.",
        ),
    ),
    "bedroom": (
        "the bedroom",
        "in the bedroom",
        "to the bedroom",
        (
            "There was a bed, a rug, and a window with the whole sky in it.",
            "The curtain breathed in and out.",
            "A toy looked down from the shelf and said nothing.",
        ),
    ),
}
ANYWHERE_LOOKS = (
    "The air was fresh, and something good was in it.",
    "A small bird said the same thing twice.",
    "A leaf came down and took the long way.",
)
GLOW = {
    "moonlight": "in the moonlight",
    "sunset": "in the last gold light of the day",
    "lamplight": "in the small warm light of the lamp",
    "fog": "in the soft grey fog",
    "day": "in the bright of the day",
}
