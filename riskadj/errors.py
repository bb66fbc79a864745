"""Every error riskadj raises on purpose.

RiskadjError
├── NotPublishedError    a model, payment year or list that is not in models/
├── ModelFolderError     a model folder that is not whole, or was changed after it was sealed
├── OptionError          an option or argument that cannot be used
├── ImportFormatError    a source package that does not look as its importer expects
└── InputError           members, diagnoses or claims that cannot be read or break their contract
"""


class RiskadjError(Exception):
    """Base of all errors raised on purpose; the message says what to put right."""


class NotPublishedError(RiskadjError):
    """What was asked for is not published in ``models/``."""


class ModelFolderError(RiskadjError):
    """A model folder is not whole, contradicts itself, or changed after it was sealed."""


class ImportFormatError(RiskadjError):
    """A source package holds a name, column or form that its importer does not know."""


class OptionError(RiskadjError):
    """An option or argument has a value that cannot be used."""


class InputError(RiskadjError):
    """Input data cannot be read or break their contract.

    Messages carry counts, row numbers and column names, never a member's id, birth date or
    diagnosis.
    """
