"""Says in a tagged PDF which words are in another language than the book, so that a screen reader speaks them rightly.

WeasyPrint forgets `lang` of all elements but the first. So words with a `lang` of their own are put into an element
whose tag only they have; in the PDF each of these tags becomes a plain one that names the language.
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

import pikepdf

_CARRIERS = {"article": "/Art", "blockquote": "/BlockQuote", "main": "/Part"}
"""Elements that can carry a language, and what WeasyPrint makes of them in a PDF."""


def carry_languages(html: Element) -> dict[str, str]:
    """Put the content of elements with a `lang` of their own into carriers, one kind for each language.

    Returns:
        The language of each kind of structure element of the PDF. Languages for which no carrier is free are left out.
    """
    free = [name for name in _CARRIERS if html.find(f".//{name}") is None]
    foreign = [element for element in html.findall(".//*[@lang]") if element.get("lang") != html.get("lang")]
    languages = dict.fromkeys(element.get("lang", "") for element in foreign)
    carriers = dict(zip(languages, free, strict=False))
    for element in foreign:
        language = element.get("lang", "")
        if language in carriers:
            _put_into(element, carriers[language])
    return {_CARRIERS[name]: language for language, name in carriers.items()}


def name_languages(pdf: pikepdf.Pdf, languages: Mapping[str, str]) -> None:
    """Write the languages into the structure of a PDF that was made of elements with carriers."""
    for element in pdf.objects:
        if not isinstance(element, pikepdf.Dictionary) or element.get("/Type") != "/StructElem":
            continue
        language = languages.get(str(element.S))
        if language is not None:
            holds_blocks = any(isinstance(kid, pikepdf.Dictionary) and kid.get("/S") == "/P" for kid in element.K)
            element.S = pikepdf.Name.Div if holds_blocks else pikepdf.Name.Span
            element.Lang = pikepdf.String(language)


def _put_into(element: Element, name: str) -> None:
    """All of an element's content into one new child."""
    display = "block" if element.find("p") is not None else "inline"
    text, children = element.text, list(element)
    for child in children:
        element.remove(child)
    element.text = None
    carrier = SubElement(element, name, {"style": f"display: {display}; margin: 0"})
    carrier.text = text
    carrier.extend(children)
