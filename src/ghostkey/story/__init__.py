"""From a store of history to answers: imports, links keys to subjects, tells the story of a map and of a key."""

from ghostkey.story.blind import coverage
from ghostkey.story.forecast import Forecast, forecast
from ghostkey.story.importing import import_paths
from ghostkey.story.prepare import focus_on, keys_there, prepare
from ghostkey.story.story import Story, growth_of, is_known, key_named, meant, present_keys, story_of
from ghostkey.story.timeline import Moment, timeline
from ghostkey.story.words import CLASSES, DAY, due, gap_line, kind_name, kind_of, when

__all__ = [
    "CLASSES", "DAY", "Forecast", "Moment", "Story", "coverage", "due", "focus_on", "forecast", "gap_line", "growth_of", "import_paths", "is_known", "key_named",
    "keys_there", "kind_name", "kind_of", "meant", "prepare", "present_keys", "story_of", "timeline", "when",
]  # fmt: skip
