"""Recipes from the training configurations of other programs; each is a function of `SOURCES`."""

from __future__ import annotations

from centernet.cli.foreign.experiment import experiment_recipe
from centernet.cli.foreign.pipeline import pipeline_recipe

SOURCES = (pipeline_recipe, experiment_recipe)
