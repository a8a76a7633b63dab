"""Which texts are too hard for a child of some age, in every language that is measured."""

import unicodedata

import pytest

from story.reading import cut_sentences, too_hard
from tests.story.childrens_sentences import FOR_CHILDREN

TOO_HARD = [
    ("en", "Notwithstanding considerable meteorological uncertainty, everybody proceeded."),
    ("de", "Ungeachtet erheblicher meteorologischer Unwägbarkeiten beschlossen sämtliche Beteiligten den Aufbruch."),
    ("fr", "Nonobstant des incertitudes météorologiques considérables, les participants poursuivirent l'expédition."),
    ("es", "Considerando las incertidumbres meteorológicas extraordinarias, continuaron inmediatamente."),
    ("it", "Nonostante considerevoli incertezze meteorologiche, proseguirono immediatamente."),
    ("pt", "Considerando extraordinárias incertezas meteorológicas, prosseguiram imediatamente."),
    ("nl", "Niettegenstaande aanzienlijke meteorologische onzekerheden vertrokken desondanks allen."),
    ("sv", "Oaktat betydande meteorologiska osäkerheter fortsatte samtliga deltagare expeditionen."),
    ("da", "Uanset betydelige meteorologiske usikkerheder fortsatte samtlige deltagere ekspeditionen."),
    ("nb", "Uavhengig av betydelige meteorologiske usikkerheter fortsatte samtlige deltakere."),
    ("nn", "Uavhengig av betydelege meteorologiske uvisser heldt deltakarane fram ekspedisjonen."),
    ("no", "Betydelige meteorologiske usikkerheter forhindret deltakernes ekspedisjon."),
    ("pl", "Niezależnie od znaczących niepewności meteorologicznych uczestnicy kontynuowali wyprawę."),
    ("fi", "Huomattavasta meteorologisesta epävarmuudesta huolimatta osallistujat jatkoivat matkaansa."),
    ("cs", "Navzdory značným meteorologickým nejistotám pokračovali účastníci neodkladně."),
    ("hu", "Jelentékeny meteorológiai bizonytalanságok ellenére mindannyian továbbindultak."),
    ("tr", "Meteorolojik belirsizliklerin çokluğuna rağmen katılımcıların tamamı yolculuklarını sürdürdüler."),
    ("ru", "Несмотря на значительную метеорологическую неопределённость, участники продолжили путешествие."),
    ("uk", "Незважаючи на значну метеорологічну невизначеність, учасники продовжили подорож."),
    ("he", "למרות אי הוודאות הרבה שהייתה באותו היום ביער החליטו כל החיות לצאת יחד לדרך הארוכה אל הים."),
    ("ar", "وبالرغم من التقلبات المناخية المستمرة واستحالة استشرافها فسيستكملون استعداداتهم."),
    ("ar", "وَبِالرَّغْمِ مِنَ التَّقَلُّبَاتِ الْمُنَاخِيَّةِ الْمُسْتَمِرَّةِ فَسَيَسْتَكْمِلُونَ اسْتِعْدَادَاتِهِمْ."),
    ("hi", "मौसम की इतनी भारी अनिश्चितता के होते हुए भी जंगल के सभी जानवर उस लंबी और कठिन यात्रा पर निकल पड़े।"),
    (
        "ko",
        "그날은 바람이 몹시 불고 눈이 많이 왔지만 숲의 모든 동물은 다 함께 먼 바다로 길을 떠나기로 했어요.",
    ),
    ("vi", "Mặc dù trời hôm ấy rất lạnh và gió thổi rất mạnh nhưng tất cả các con vật vẫn cùng nhau đi ra biển."),
    ("zh", "尽管当天的气象状况极其不稳定，森林里的所有动物仍然毫不犹豫地决定共同踏上通往遥远大海的漫长旅程。"),
    (
        "ja",
        "気象の状況がきわめて不安定であったにもかかわらず、動物たちは遠い海へ旅立つことを決めました。",
    ),
    ("th", "แม้ว่าสภาพอากาศในวันนั้นจะไม่แน่นอนอย่างยิ่งแต่สัตว์ทั้งหลายในป่าก็ตัดสินใจออกเดินทางไกลไปยังทะเลพร้อมกัน"),
    ("lo", "ເຖິງແມ່ນວ່າສະພາບອາກາດໃນມື້ນັ້ນບໍ່ແນ່ນອນຢ່າງຍິ່ງແຕ່ສັດທັງໝົດໃນປ່າກໍຕັດສິນໃຈອອກເດີນທາງໄກໄປຫາທະເລພ້ອມກັນ"),
    ("km", "ទោះបីជាអាកាសធាតុនៅថ្ងៃនោះមិនទៀងទាត់យ៉ាងខ្លាំងក៏ដោយសត្វទាំងអស់ក្នុងព្រៃបានសម្រេចចិត្តចេញដំណើរទៅកាន់សមុទ្រជាមួយគ្នា។"),
    ("my", "ထိုနေ့က ရာသီဥတု အလွန်မသေချာသော်လည်း တောထဲရှိ တိရစ္ဆာန်အားလုံးသည် ဝေးကွာသော ပင်လယ်သို့ အတူတကွ ထွက်ခွာရန် ဆုံးဖြတ်ခဲ့ကြသည်။"),
]


@pytest.mark.parametrize(("language", "text"), FOR_CHILDREN)
def test_ordinary_sentences_for_children_are_in_order_at_four(language: str, text: str) -> None:
    assert too_hard(text, age=4, language=language) == ""


@pytest.mark.parametrize(("language", "text"), TOO_HARD)
def test_sentences_of_grown_ups_are_too_hard_at_four(language: str, text: str) -> None:
    assert "at 4 years" in too_hard(text, age=4, language=language)


@pytest.mark.parametrize("language", ["hi", "he", "ar", "fa", "vi", "ko", "ja"])
def test_marks_and_their_form_part_no_words_and_count_as_no_letters(language: str) -> None:
    decomposed = [unicodedata.normalize("NFD", text) for tag, text in FOR_CHILDREN if tag == language]
    assert not [text for text in decomposed if too_hard(text, age=4, language=language)]


def test_a_joiner_within_a_word_parts_nothing() -> None:
    twelve_words = " ".join(["می\u200cرود"] * 12) + "."
    assert too_hard(twelve_words, age=4, language="fa") == ""
    assert "13.0 words" in too_hard(f"او {twelve_words}", age=4, language="fa")


def test_older_children_read_more() -> None:
    long = "小狐狸在雪地里慢慢地往前走，小猫跟在它的后面唱着歌，兔子也跑过来。"
    assert "30.0 letters" in too_hard(long, age=4, language="zh")
    assert too_hard(long, age=7, language="zh") == ""


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Rusty ran, and Luna sang; it snowed.", "Rusty ran. And Luna sang. It snowed."),
        ("小狐狸走了，小猫唱歌，下雪了。", "小狐狸走了。小猫唱歌。下雪了。"),
        ("लोमड़ी चली, बिल्ली ने गाया।", "लोमड़ी चली। बिल्ली ने गाया।"),
        ("مشى الثعلب، وغنت القطة.", "مشى الثعلب. وغنت القطة."),
    ],
)
def test_sentences_are_cut_at_commas_and_end_as_the_language_ends_them(text: str, cut: str) -> None:
    assert cut_sentences(text) == cut
