"""One pass over an XML file, plain or gzipped, as a stream of tags; what is no such file is refused by its line."""

import gzip
import os
from typing import IO, NoReturn
from xml.parsers import expat

from jaxvec.core.npz import RecordError
from jaxvec.traces import clock
from jaxvec.traces.rows import GZIP_ERRORS, damage, opened

CHUNK_BYTES = 1 << 16
MAX_TAG_BYTES = 1 << 20  # a longer tag or comment makes parsers slow
MAX_DEPTH = 100  # of elements within elements; files of SUMO have 4


class XmlReader:
    """Reads a file through expat's events; who derives from it says in `element` what a tag means.

    Attributes:
        path: the file.
        root: name of the element around all others.
        depth: of the element met, the root's is 1.
        last_line: where the root element ended.
    """

    root = ""
    what = "XML"

    def __init__(self, path: str | os.PathLike[str]):
        self.path = path
        self.last_line = 1
        self.depth = 0
        # The document's own idea of its encoding is overruled: SUMO writes UTF-8 only.
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def line(self) -> int:
        """The line reached."""
        return max(self.parser.CurrentLineNumber, 1)

    def fail(self, fault: str) -> NoReturn:
        """Refuses the file.

        Args:
            fault: what is wrong at this line.
        Raises:
            RecordError: names file and line.
        """
        raise RecordError(f"{self.path}, line {self.line}: {fault}")

    def element(self, tag: str, attributes: dict[str, str]) -> None:
        """Takes an element that begins, below the root.

        Args:
            tag: its name.
            attributes: by name.
        """

    def ended(self) -> None:
        """An element has ended; `depth` is that of the one around it."""

    def read(self) -> None:
        """Reads the whole file.

        Raises:
            RecordError: it is not whole, well-formed XML, has another root, or what `element` refuses.
            OSError: it cannot be opened or read.
        """
        try:
            with opened(self.path) as text:
                self._parse(text)
        except expat.ExpatError as error:
            fault = expat.ErrorString(error.code)
            raise RecordError(f"{self.path}, line {error.lineno}: not whole XML: {fault}") from error

    def _parse(self, text: IO[bytes] | gzip.GzipFile) -> None:
        fed = 0
        while chunk := self._chunk(text):
            self.parser.Parse(chunk, False)
            fed += len(chunk)
            if fed - max(self.parser.CurrentByteIndex, 0) > MAX_TAG_BYTES:
                self.fail(f"a tag or comment of more than {MAX_TAG_BYTES} bytes")
        if not fed:
            self.fail("the file is empty")
        self.parser.Parse(b"", True)

    def _chunk(self, text: IO[bytes] | gzip.GzipFile) -> bytes:
        try:
            return text.read(CHUNK_BYTES)
        except GZIP_ERRORS as error:
            self.fail(damage(error))

    def _doctype(self, *_: object) -> NoReturn:
        self.fail(f"a document type declaration (DTD), which {self.what} does not have; refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} elements within one another")
        if self.depth > 1:
            self.element(tag, attributes)
        elif tag != self.root:
            self.fail(f"the root element is <{short(tag)}>, not <{self.root}>")

    def _end(self, tag: str) -> None:
        self.depth -= 1
        self.ended()
        if self.depth == 0:
            self.last_line = self.line


def short(text: str) -> str:
    """A text for a message, cut where it is long.

    Args:
        text: as a file has it.
    """
    return text if len(text) <= clock.LONGEST else text[: clock.LONGEST] + "..."
