"""First names that are common where English is spoken, and whose they are: what tells "Max" from "Friendship"."""

from collections.abc import Collection, Sequence

from story.grammar import Gender

_NAMES: dict[Gender, str] = {
    "she": (
        "abigail alice amelia amy ann anna anne anya audrey ava beatrice bella betty carla caroline chloe"
        " clara daisy diana edith eleanor elena eliza elizabeth ella ellie elsa emily emma erin esther eva eve"
        " evelyn fiona florence freya frieda gloria grace greta hanna hannah harriet heidi helen ida ingrid"
        " iris isabel isabella isla ivy jane jasmine jessica josephine julia juliet kate katie klara lara"
        " laura lea leah lena lily lina linda lisa lotta lottie louisa louise lucy lydia madison maria marie"
        " martha mary matilda maya megan mia mila millie molly nadia naomi natalie nina nora olivia paula"
        " penelope penny phoebe poppy rachel rosa rose rosie ruby ruth sally sara sarah scarlett sofia sophia"
        " sophie stella susan susie tessa tina vera violet zara zoe"
    ),
    "he": (
        "aaron adam albert alex alexander alfie andrew anthony anton arthur ben benjamin bert billy bobby"
        " bruno caleb callum carl charlie christopher daniel david dylan edward elias elliot emil ethan ezra"
        " felix finn frank fred freddie frederick fritz gabriel george gus gustav hank harry harvey hector"
        " henry hugo isaac jack jacob jake james jan jason jasper jim joe joel john jonah jonas jonathan"
        " joseph joshua julian karl kevin kurt lars leo leon levi liam logan louis lucas luke malik marcus"
        " martin mason matthew max michael milo nathan nicholas noah oliver omar oscar otto owen patrick paul"
        " peter philip ralph rex robert rufus ryan samuel simon stanley stefan steven theo theodore thomas tim"
        " timmy timothy tobias toby tom tommy victor vincent walter william wilson xavier"
    ),
}
COMMON_NAMES: dict[str, Gender] = {name: gender for gender, names in _NAMES.items() for name in names.split()}
_ALSO_NOUNS = frozenset("daisy eve grace iris ivy jasmine lily penny poppy rose ruby scarlett violet".split())


def with_capitals(words: Sequence[str], *, before_names: Collection[str]) -> list[str]:
    """Words that were typed without any capital, with capitals at common names; other words as they are.

    Args:
        words: Of an idea, in their order.
        before_names: Words behind which "rose" and its like are names too, as they are at the beginning.
    """
    if any(word != word.lower() for word in words):
        return list(words)
    capitals: list[str] = []
    for at, word in enumerate(words):
        name = word.rstrip(",").removesuffix("'s")
        is_name = name in COMMON_NAMES and (name not in _ALSO_NOUNS or at == 0 or words[at - 1] in before_names)
        capitals.append(word.capitalize() if is_name else word)
    return capitals
