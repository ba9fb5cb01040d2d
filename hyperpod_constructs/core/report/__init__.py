"""Reports for reviewers: a platform or a job as plain data, and as HTML, Markdown or JSON.

>>> from hyperpod_constructs.core.report import Report, markdown, model
>>> part = model.Part("a", "a", "us-west-2", (model.Section("s", "Title", (model.Paragraph("Words."),)),))
>>> print(markdown(Report("a", (part,))).splitlines()[0])
# a
"""

from .jobs import job_part
from .markdown import markdown
from .model import Report
from .platform import platform_part, unreadable_part
from .subject import Bar, Before, Subject

__all__ = [
    "Bar",
    "Before",
    "Report",
    "Subject",
    "job_part",
    "markdown",
    "platform_part",
    "unreadable_part",
]
