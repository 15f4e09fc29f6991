"""Tests of report/formats/."""
