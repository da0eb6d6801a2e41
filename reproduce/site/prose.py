"""Markdown as HTML: figures inline, links that work from reports/, long tables folded."""

import re
from html import escape
from pathlib import Path, PurePosixPath
from posixpath import normpath

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from annealed.utils.errors import UsageError
from reproduce.site import pictures

LONG = 8  # lines of a table; a longer one is folded
CAPTION = 320  # characters; a longer paragraph after a figure is no caption
PNG = b"\x89PNG\r\n\x1a\n"


def slug(text: str) -> str:
    """`text` as a part of an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def figure(path: Path, alt: str, href: str, caption: str | Markup = "") -> Markup:
    """A PNG as a figure whose picture is in the page, with a link to the file.

    Raises UsageError where `path` is not a PNG.
    """
    content = path.read_bytes() if path.is_file() else b""
    if not content.startswith(PNG):
        raise UsageError(f"{path} is not a PNG, and the page shows it; make its report again.")
    size = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
    width, height = pictures.shown(*size)
    image = Markup('<img src="{}" alt="{}" width="{}" height="{}" data-of="{}">').format(
        Markup(pictures.data_uri(content)), alt, width, height, pictures.name(content)
    )
    below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    return Markup('<figure><a href="{}">{}</a>{}</figure>\n').format(href, image, below)


class Prose:
    """Renders one Markdown file of reports/, its headings below that of a section.

    `name` begins every anchor; `shown` maps a file, relative to reports/, to where it is on the
    page. HTML in the Markdown is shown as text. Tables are left out where `tables` is false, and
    figures with their captions where `figures` is.
    """

    def __init__(
        self,
        reports: Path,
        path: Path,
        name: str,
        shown: dict[str, str],
        tables: bool = True,
        figures: bool = True,
    ):
        self.reports, self.path, self.name, self.shown = reports, path, name, shown
        self.tables, self.figures, self.ids = tables, figures, set()
        self.parser = MarkdownIt("commonmark", {"html": False}).enable("table")

    def sections(self) -> list[tuple[str, Markup, bool]]:
        """Heading, content and whether a figure is in it: first what precedes the first heading."""
        tokens = self.parser.parse(self.path.read_text(encoding="utf-8"))
        starts = [i for i, t in enumerate(tokens) if t.type == "heading_open" and t.tag == "h2"]
        head = next((i for i, t in enumerate(tokens) if t.type == "heading_close"), -1) + 1
        if starts and head > starts[0]:
            head = 0  # no title of its own
        sections = [("", *self._render(tokens[head : starts[0] if starts else None]))]
        for begin, end in zip(starts, [*starts, None][1:], strict=True):
            heading = _plain(tokens[begin + 1])
            sections.append((heading, *self._render(tokens[begin + 3 : end], heading)))
        return sections

    def anchor(self, heading: str) -> str:
        """An anchor that no other heading of this file has."""
        name = stem = f"{self.name}-{slug(heading)}"
        count = 1
        while name in self.ids:
            count += 1
            name = f"{stem}-{count}"
        self.ids.add(name)
        return name

    def href(self, link: str) -> str:
        """A link of the file as one that works from reports/index.html."""
        if re.match(r"[a-z]+:", link) or link.startswith("#"):
            return link
        place = PurePosixPath(self.path.parent.relative_to(self.reports).as_posix())
        target = normpath(place / link.split("#")[0])
        return self.shown.get(target, target)

    def _render(self, tokens: list[Token], heading: str = "") -> tuple[Markup, bool]:
        out, i, pictured = [], 0, False
        while i < len(tokens):
            token = tokens[i]
            if token.type == "heading_open":
                heading = _plain(tokens[i + 1])
                deeper = min(int(token.tag[1]) + 1, 6)
                token.tag = tokens[i + 2].tag = f"h{deeper}"
                token.attrSet("id", self.anchor(heading))
            if (image := _image(tokens, i)) is not None:
                caption = _caption(tokens, i + 3)
                if self.figures:
                    out.append(self._figure(image, _label(tokens, i), caption))
                pictured, i = self.figures, i + (6 if caption else 3)
                continue
            if token.type == "table_open":
                end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close") + 1
                out.append(self._table(tokens[i:end], heading or self.name) if self.tables else "")
                i = end
                continue
            if (inline := _paragraph(tokens, i)) and inline.content.startswith("Source: "):
                token.attrSet("class", "small")
            out.append(self._plainly([token]))
            i += 1
        return Markup("".join(out)), pictured

    def _plainly(self, tokens: list[Token]) -> str:
        for token in tokens:
            for child in token.children or []:
                if child.type == "link_open":
                    child.attrSet("href", self.href(child.attrs["href"]))
                elif child.type == "image":
                    child.type, child.content = "text", _text([child])
        return self.parser.renderer.render(tokens, self.parser.options, {})

    def _figure(self, image: Token, label: str, caption: Token | None) -> Markup:
        link, alt = self.href(image.attrs["src"]), _text([image])
        below = Markup(self._plainly([caption])) if caption else ""
        alt = f"{label}: {alt}" if label else alt
        return figure(self.reports / link, alt or Path(link).stem, link, below)

    def _table(self, tokens: list[Token], label: str) -> str:
        lines = sum(token.type == "tr_open" for token in tokens) - 1
        for token in tokens:
            right = token.attrs.pop("style", "") == "text-align:right"
            if right:
                token.attrSet("class", "n")
            if token.type == "th_open":
                token.attrSet("scope", "col")
        table = self._plainly(tokens)
        box = f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(label)}">'
        table = f"{box}{table}</div>\n"
        if lines <= LONG:
            return table
        return f"<details><summary>All {lines} lines</summary>\n{table}</details>\n"


def _text(tokens: list[Token]) -> str:
    """The text of inline tokens, without markup."""
    parts = [_text(t.children) if t.children else t.content for t in tokens]
    return "".join(" " if t.type == "softbreak" else p for t, p in zip(tokens, parts, strict=True))


def _plain(inline: Token) -> str:
    return _text(inline.children or [])


def _paragraph(tokens: list[Token], i: int) -> Token | None:
    """The inline token of the paragraph that begins at `i`."""
    begins = 0 <= i < len(tokens) - 2 and tokens[i].type == "paragraph_open"
    return tokens[i + 1] if begins else None


def _image(tokens: list[Token], i: int) -> Token | None:
    """The image that is all of the paragraph at `i`."""
    inline = _paragraph(tokens, i)
    children = (inline.children or []) if inline else []
    return children[0] if len(children) == 1 and children[0].type == "image" else None


def _caption(tokens: list[Token], i: int) -> Token | None:
    """The short paragraph after a figure, which tells what it shows."""
    inline = _paragraph(tokens, i)
    if not inline or _image(tokens, i) is not None:
        return None
    text = inline.content
    return None if len(text) > CAPTION or text.endswith(":") else inline


def _label(tokens: list[Token], i: int) -> str:
    """The text of the paragraph before a figure, where it ends with a colon; empty otherwise."""
    before = tokens[i - 2] if i > 1 and tokens[i - 2].type == "inline" else None
    text = _plain(before) if before else ""
    return text[:-1] if text.endswith(":") else ""
