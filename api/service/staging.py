"""Concepts on their way from a learning job into an owner's bank. Knows not how they are learnt."""

from dataclasses import dataclass

from concepts.bank import ConceptBank
from concepts.errors import ConceptExists


@dataclass(frozen=True, kw_only=True)
class Staging:
    """What one job learns, first in a bank of its own.

    A job that is cut short while it puts its concepts into the owner's bank, and is begun again, knows by their
    directions which of the concepts there are its own.
    """

    own: ConceptBank
    """The job's; what it learnt stays here until the sweep."""
    bank: ConceptBank
    """The owner's."""
    wanted: tuple[str, ...]
    """Ids of the concepts."""
    replace: bool
    """Whether the owner's concepts of the same ids give way."""

    def is_whole(self, fingerprint: str) -> bool:
        """Whether everything is learnt, on the model of that fingerprint."""
        there = self.own.ids()
        return all(each in there and self.own.get(each).base_model == fingerprint for each in self.wanted)

    def check_free(self) -> None:
        """Look whether the owner's bank can take the concepts.

        Raises:
            ConceptExists: It has one that is not this job's, and which shall not be replaced.
        """
        there = self.bank.ids()
        taken = [each for each in self.wanted if each in there and not (self.replace or self._is_own(each))]
        if taken:
            raise ConceptExists(
                f"The bank already has {', '.join(map(repr, taken))}, and ids are unique. Choose other ids, or delete "
                "what is there and try again."
            )

    def keep(self) -> None:
        """Put all concepts into the owner's bank.

        Raises:
            ConceptExists: As in `check_free`; the bank is as it was.
        """
        self.check_free()
        for concept_id in self.wanted:
            self.bank.add_folder(self.own.folder / concept_id, replace=self.replace or self._is_own(concept_id))

    def _is_own(self, concept_id: str) -> bool:
        """Whether what the owner's bank has of that id came from here."""
        if not all(concept_id in bank.ids() for bank in (self.own, self.bank)):
            return False
        return self.bank.get(concept_id).direction_sha256 == self.own.get(concept_id).direction_sha256
