"""Writes `names.json.gz` and `params.yaml` beside it: what Model Garden's own code saves.

Run it where tf-models-official 2.20 is installed:
`python generate.py centernet_hg104_512x512_coco17_tpu-8.json` (the manifest of the published checkpoint).
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

import tensorflow as tf
from official.core import exp_factory
from official.modeling import hyperparams, optimization
from official.projects.centernet.common import registry_imports  # noqa: F401 - registers the experiment
from official.projects.centernet.tasks.centernet import CenterNetTask

HERE = Path(__file__).parent
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def experiment(model):
    """The experiment with some values of task.model overridden."""
    config = exp_factory.get_exp_config("centernet_hourglass_coco")
    config.override({"task": {"model": model}})
    return config


def build(size, **hourglass):
    """A task and its model."""
    head = {"input_levels": [f"2_{i}" for i in range(hourglass["num_hourglasses"] - 1)] + ["2"]}
    model = {"input_size": [size, size, 3], "backbone": {"hourglass": hourglass}, "head": head}
    task = CenterNetTask(experiment(model).task)
    return task, task.build_model()


def saved(**items):
    """Names and shapes in a checkpoint of these objects."""
    with tempfile.TemporaryDirectory() as folder:
        reader = tf.train.load_checkpoint(tf.train.Checkpoint(**items).save(f"{folder}/ckpt"))
        return dict(sorted(reader.get_variable_to_shape_map().items()))


def trained(task, model, settings, mixed_precision=False):
    """A checkpoint as the trainer writes it, after one step."""
    runtime = {"mixed_precision_dtype": "float16"} if mixed_precision else {}
    optimizer = task.create_optimizer(
        optimization.OptimizationConfig(settings),
        runtime_config=experiment({}).runtime.replace(**runtime) if mixed_precision else None,
    )
    if hasattr(optimizer, "shadow_copy"):
        optimizer.shadow_copy(model)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner.apply_gradients([(tf.zeros_like(v), v) for v in model.trainable_variables])
    step = tf.Variable(1, dtype=tf.int64)
    return saved(global_step=step, model=model, optimizer=optimizer, **model.checkpoint_items)


def main(manifest):
    """Build the models and write both files."""
    rate = {"type": "constant", "constant": {"learning_rate": 0.1}}
    adam = {"optimizer": {"type": "adam"}, "learning_rate": rate}
    sgd = {"optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}}, "learning_rate": rate}
    _, large = build(128, model_id=52, num_hourglasses=2)
    names = {"hourglass104": saved(**large.checkpoint_items)}
    del large
    for stacks in (1, 2, 3):
        task, small = build(32, model_id=20, input_channel_dims=2, num_hourglasses=stacks)
        names[f"hourglass20_{stacks}_stacks"] = saved(model=small)
    names["trainer_adam"] = trained(task, small, adam, mixed_precision=True)
    names["trainer_moving_average"] = trained(task, small, {**sgd, "ema": {"average_decay": 0.9}})
    zoo = json.loads(Path(manifest).read_text())["training"]
    names["zoo_hourglass104"] = {entry["key"].removesuffix(SUFFIX): entry["shape"] for entry in zoo}
    with gzip.GzipFile(HERE / "names.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(names, separators=(",", ":")).encode())
    config = experiment({"input_size": [512, 512, 3]})
    hyperparams.save_params_dict_to_yaml(config, str(HERE / "params.yaml"))


if __name__ == "__main__":
    main(sys.argv[1])
