"""Language tags, their direction, and stories in one language or two."""

import pytest
from pydantic import ValidationError

from story.languages import check_language, direction_of, has_letters_beside, is_in_language, primary_language
from story.schema import Page, Scene, Story
from tests.story.childrens_sentences import FOR_CHILDREN

SCENE = Scene(prompt="a fox in the snow", alt="Rusty in the snow.")


def a_story(*, second_text: str = "", **changes: object) -> Story:
    page = Page(text="Der Fuchs ging los.", second_text=second_text, scene=SCENE)
    return Story.model_validate({"title": "Los", "language": "de", "cover": SCENE, "pages": (page,)} | changes)


@pytest.mark.parametrize(
    ("tag", "direction"),
    [("en", "ltr"), ("ar", "rtl"), ("he-IL", "rtl"), ("az-Arab", "rtl"), ("ar-Latn", "ltr"), ("ko", "ltr")],
)
def test_direction_goes_by_the_script_and_else_by_the_language(tag: str, direction: str) -> None:
    assert direction_of(tag) == direction


def test_the_primary_language_leaves_script_and_region_out() -> None:
    assert primary_language("DE-AT") == "de"


@pytest.mark.parametrize("tag", ["", "e", "german!", "en_GB", '"><script>'])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="no language tag"):
        check_language(tag)
    with pytest.raises(ValidationError, match="no language tag"):
        a_story(language=tag)


def test_a_bilingual_story_knows_both_directions() -> None:
    story = a_story(second_language="ar", second_title="هيا", second_text="مشى الثعلب.")
    assert (story.direction, story.second_direction) == ("ltr", "rtl")
    assert a_story().second_direction is None


def test_a_second_language_is_whole_or_absent() -> None:
    with pytest.raises(ValidationError, match="no text in the second language, 'en'"):
        a_story(second_language="en", second_title="Off")
    with pytest.raises(ValidationError, match="second_language is not set"):
        a_story(second_text="The fox set off.")
    with pytest.raises(ValidationError, match="both 'de'"):
        a_story(second_language="de", second_title="Los", second_text="Der Fuchs ging los.")


# With as many words that another language has too as can well be.
MORE_TEXTS = [
    ("en", "No, no, no! Do as we do, do as foxes do. Luna, sing! Rusty, dance!"),
    ("de", "Was hast du da? Du, was hast du da? Des Rätsels Lösung lag im Schnee."),
    ("fr", "Te voilà! On y va, on se cache en haut de ce grand chêne. On en rit encore."),
    ("es", "La zorra pequeña caminaba bajo la nieve. La lechuza les hablaba desde lo alto. ¿Te da frío?"),
    ("nl", "Die vos had honger. Is die appel rijp, of is die peer rijp? Die peer is rijp."),
    ("pt", "Te vi no bosque, no lago, no mar de neve. A coruja cantava no galho de cima."),
    ("da", "Der er en ræv. Den er rød, og den er sød. Der er også en kat, og de er gode venner. Han had den regn."),
    ("nb", "Det var en gang en rev. Den var rød, og den gikk for å se på hesten. Der er den! sa han til dem."),
    ("sv", "Det var en gång en räv. Den var röd, och de gick för att se på en häst. Var är den? sa han till dem."),
    ("tr", "Tilki her gün on elma yedi. Sonra at geldi, it de geldi. Her biri bir elma aldı ve o da güldü."),
    ("pl", "To jest lis. Lis ma rudy ogon i to mu do głowy nie wpada. On idzie do domu, bo tam na niego ktoś czeka."),
    (
        "cs",
        "To je liška. Liška se bála tmy a do lesa se jí nechtělo. To se ví, řekla sova, od té doby je ráda.",
    ),
    (
        "hr",
        "Lisica se bojala da se ne izgubi. Do kuće je daleko, a ona je na putu srela medvjeda. Da li si gladan?",
    ),
    (
        "hu",
        "Volt egy kis róka. Az a róka a hóban élt, és nem volt se háza, se barátja. De ma este jött a nyúl.",
    ),
    ("fi", "Kettu on pieni. Se on iloinen ja on aina metsässä. He on ystäviä, sanoi pöllö, ja on hyvä olla yhdessä."),
    ("et", "Rebane on väike. Ta on rõõmus ja on alati metsas. Öökull on tema sõber, ja see on väga hea."),
    (
        "ro",
        "A fost odată o vulpe. Era mică și se temea de noapte. Un urs a venit la ea, iar la foc era cald și bine.",
    ),
    ("ca", "Una vegada hi havia un guineu que no dormia. El vent era fred i les estrelles no es veien per la pluja."),
    (
        "gl",
        "A raposa camiñaba pola neve e o vento era frío. As árbores do bosque choraban e o sol non se vía.",
    ),
    (
        "af",
        "Die vos was klein en die wind was koud. Hy het met sy maat na die see toe gegaan, en dit was ver.",
    ),
    ("id", "Rubah kecil itu berjalan di salju. Dia sangat kedinginan. Lalu datang kelinci dan tersenyum kepadanya."),
    ("vi", "Con cáo và con thỏ chơi trong tuyết. Con mèo con đi theo sau. Trời lạnh nhưng các con vật rất vui."),
    ("sw", "Mbweha mdogo alitembea kwenye theluji. Kulikuwa na baridi sana. Kisha sungura akaja na kutabasamu."),
    (
        "cy",
        "Roedd y llwynog bach yn cerdded yn yr eira. Roedd hi yn oer iawn. Daeth cwningen ato a gwenu ar y ci.",
    ),
    ("eo", "La vulpo marŝis en la neĝo kaj al la maro. Se la vento blovas, la vulpo kantas por la kato en la domo."),
]
ENGLISH = "The fox ran in the snow and it was very cold for her."
GERMAN = "Der kleine Fuchs ging mit der Katze in den Schnee und es war kalt."
FRENCH = "Le petit renard marchait dans la neige et il avait très froid."


@pytest.mark.parametrize(("language", "text"), FOR_CHILDREN + MORE_TEXTS)
def test_a_text_is_in_its_own_language(language: str, text: str) -> None:
    assert is_in_language(text, language, names=("Rusty", "Clover", "Luna"))


@pytest.mark.parametrize("language", "pl sv tr cs da nb fi hu ro ca af id vi sw ka am de ko zh ru ar hi th".split())
def test_english_is_no_other_language(language: str) -> None:
    assert not is_in_language(ENGLISH, language)


@pytest.mark.parametrize("language", "pl tr cs hu fi id vi sw en ko ru".split())
@pytest.mark.parametrize("text", [GERMAN, FRENCH])
def test_neither_are_other_languages_that_are_known_well(language: str, text: str) -> None:
    assert not is_in_language(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "Rusty가 Clover에게 인사해요."),
        ("ko", "Rusty의 모험"),
        ("ko", "RUSTY!"),
        ("zh", "Rusty和Clover在雪地里玩。"),
        ("ja", "RustyはCloverといっしょにあそびました。"),
        ("ar", "Rusty و Old Rabbit في الثلج."),
        ("ru", "Rusty и Clover играют в снегу."),
    ],
)
def test_names_keep_their_letters_in_every_script(language: str, text: str) -> None:
    assert is_in_language(text, language, names=("Rusty", "Clover", "Old Rabbit", " "))
    assert not is_in_language(text, language)


def test_a_name_is_left_out_as_a_whole_word_and_proves_nothing() -> None:
    assert not is_in_language(f"여우 {ENGLISH}", "ko", names=("Fox",))
    assert not is_in_language("Annabel 안녕", "ko", names=("Ann",))
    told = "The The The And And Was pobiegli razem przez las do domu."
    assert not is_in_language(told, "pl") and is_in_language(told, "pl", names=("The", "And", "Was"))


def test_a_letter_of_another_script_is_found() -> None:
    assert has_letters_beside("a fox in the 눈", "en")
    assert not has_letters_beside("a café at 5 o'clock, crème brûlée!", "en")
    assert not has_letters_beside("눈 fox", "xx"), "nothing is known of the language"
