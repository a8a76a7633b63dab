"""A short story told in English, German, Korean and Arabic, and in two languages side by side."""

from story.schema import Page, Scene, Story

_TITLES = {
    "en": "The Fox Who Kept the Light",
    "de": "Der Fuchs, der das Licht hütete",
    "ko": "등불을 지킨 여우",
    "ar": "الثعلب الذي حرس الضوء",
}
_PAGES = {
    "en": (
        "Rusty the fox kept the lighthouse. Every evening he climbed the hundred steps.\n\n"
        "He was a little afraid of the dark.",
        '"Who lights the sea tonight?" asked the wind. Rusty took his lantern and did not answer.',
        "Far below a small boat was lost. Up went the light, once, twice, three times!\n\nThe boat came home.",
    ),
    "de": (
        "Der Fuchs Rusty hütete den Leuchtturm. Jeden Abend stieg er die hundert Stufen hinauf.\n\n"
        "Vor der Dunkelheit hatte er ein bisschen Angst.",
        "„Wer macht heute das Meer hell?“, fragte der Wind. Rusty nahm seine Laterne und antwortete nicht.",
        "Tief unten hatte sich ein kleines Boot verirrt. Hoch ging das Licht, einmal, zweimal, dreimal!\n\n"
        "Das Boot kam nach Hause.",
    ),
    "ko": (
        "여우 러스티는 등대를 지켰어요. 저녁마다 백 개의 계단을 올라갔지요.\n\n러스티는 어둠이 조금 무서웠어요.",
        '"오늘 밤은 누가 바다를 밝히지?" 하고 바람이 물었어요. 러스티는 등불을 들고 대답하지 않았어요.',
        "저 아래에서 작은 배가 길을 잃었어요. 불빛이 한 번, 두 번, 세 번 반짝였어요!\n\n배는 집으로 돌아왔어요.",
    ),
    "ar": (
        "كان الثعلب رستي يحرس المنارة. كل مساء كان يصعد مئة درجة.\n\nوكان يخاف الظلام قليلاً.",
        "سألت الريح: «من يضيء البحر الليلة؟» حمل رستي فانوسه ولم يجب.",
        "في الأسفل البعيد ضاع قارب صغير. ارتفع الضوء مرة ومرتين وثلاث مرات!\n\nفعاد القارب إلى بيته.",
    ),
}
_ALTS = {
    "en": "A fox stands on a hill in the evening.",
    "de": "Ein Fuchs steht abends auf einem Hügel.",
    "ko": "저녁 언덕 위에 여우가 서 있어요.",
    "ar": "ثعلب يقف على تل في المساء.",
}
LANGUAGES = tuple(_TITLES)


def tale(language: str, *, second: str | None = None) -> Story:
    """The story of three pages in one language, or with a second one beside it."""
    scene = Scene(prompt="a fox on a hill", concepts=("rusty",), alt=_ALTS[language])
    seconds = _PAGES[second] if second else ("",) * 3
    return Story(
        title=_TITLES[language],
        language=language,
        second_language=second,
        second_title=_TITLES[second] if second else "",
        cover=scene,
        pages=tuple(
            Page(text=text, second_text=second_text, scene=scene)
            for text, second_text in zip(_PAGES[language], seconds, strict=True)
        ),
    )
