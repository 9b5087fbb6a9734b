"""telling: an error of Spark's as one sentence, and as an error of ours."""

import re
from contextlib import contextmanager
from typing import Iterator, List, Type

from dai_spark.driver.spark_errors.catalogue import RULES, Rule
from dai_spark.driver.spark_errors.causes import Cause, causes, is_of_spark, original
from dai_spark.errors import DaiSparkError, TableJobError, from_spark
from dai_spark.host.uri import without_password

__all__ = ["in_full", "kind_of", "said_by", "telling", "told"]

_MOST_CHARS = 300
# A sentence ends before a blank; names of files and tables have dots within.
# Of Spark's own error around a task's; the path of it is nowhere else.
_WRITTEN_TO = re.compile(r"Task failed while writing rows to (\S+)")
_FIRST_SENTENCE = re.compile(r".+?[^.](?=\.\s)")


def said_by(error: BaseException) -> str:
    """Return what an error means, as a clause for a message: no class, stack or full stop.

    Runs on the driver.  What the catalogue does not know is told by the class and the message of
    the innermost cause.

    Parameters
    ----------
    error : BaseException
        Spark's, py4j's, Connect's, or any other.
    """
    ours = from_spark(error)
    if ours is not None:
        return ours.message.rstrip(".")
    chain = causes(error)
    rule, cause = _known(chain)
    if rule is None:
        inner = chain[-1]
        text = _with_condition(_cut(inner.told), inner)
        return without_password(f"{inner.name}: {text}" if text else inner.name)
    return without_password(rule.says.format(found=_found(rule, cause, chain)))


def in_full(error: BaseException) -> str:
    """Return all that an error says of itself, stack included and passwords not.

    Parameters
    ----------
    error : BaseException
    """
    return without_password(original(error))


def kind_of(error: BaseException) -> str:
    """Return the name of the catalogue's rule that an error falls under; empty for none.

    Parameters
    ----------
    error : BaseException
    """
    rule, _ = _known(causes(error))
    return "" if rule is None else rule.kind


def told(
    error: BaseException, what: str, kind: Type[DaiSparkError] = TableJobError
) -> DaiSparkError:
    """Return the error of ours that an error of Spark's holds, or one that tells it.

    Parameters
    ----------
    error : BaseException
    what : str
        What could not be done, without a full stop.
    kind : type, default TableJobError
        Of an error that is not ours.
    """
    ours = from_spark(error)
    if ours is not None:
        return ours
    return kind(f"{what}: {said_by(error)}.", in_full(error))


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Tell what Spark raises in the block as an error of ours; let all else pass.

    Parameters
    ----------
    what : str
        What could not be done, without a full stop.

    Raises
    ------
    DaiSparkError
    """
    try:
        yield
    except DaiSparkError:
        raise
    except Exception as error:
        if is_of_spark(error) or from_spark(error) is not None:
            raise told(error, what) from error
        raise


def _known(chain: List[Cause]) -> "tuple[Rule | None, Cause]":
    """The first rule that a cause satisfies, and the innermost that does."""
    for rule in RULES:
        for cause in reversed(chain):
            if rule.fits(cause):
                return rule, cause
    return None, chain[-1]


def _found(rule: Rule, cause: Cause, chain: List[Cause]) -> str:
    text = cause.told
    picked = re.search(rule.picked, text) if rule.picked else _FIRST_SENTENCE.match(text)
    if picked is not None:
        text = picked.group()
    text = _cut(text.rstrip(". "))
    # What the condition speaks of in general, the innermost cause has by name.
    inner = chain[-1]
    if cause is not inner and cause.name == "SparkException" and inner.told:
        text = f"{text}: {_cut(inner.told)}"
    if cause.fragment and cause.fragment not in text:
        text = f"{text}; in {_cut(cause.fragment)}"
    written = next(filter(None, (_WRITTEN_TO.search(one.text) for one in chain)), None)
    if written is not None:
        text = f"{text}, while rows were written to {written.group(1).rstrip('.')}"
    return _with_condition(text or cause.name, cause)


def _with_condition(text: str, cause: Cause) -> str:
    """Add what a user can search the web for."""
    if not cause.condition or cause.condition.startswith("_LEGACY"):
        return text
    return f"{text} [{cause.condition}]"


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."
