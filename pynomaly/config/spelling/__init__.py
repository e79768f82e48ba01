"""How settings are written: plain YAML, durations such as ``12h``, cron schedules, formats of times.

Called by `alerting`, `config`, `data`, `delivery`, `load`, `monitoring`, `notices`, `operations`, `overlay`,
`pipeline`, `promotion`, `series`, `serving`, `streaming`, `training`, `flows`, `console.access`,
`console.own_data`, `serving`, `steps`, `judging`, `model.dependence`, `detectors.series` and `data`. May
import the wings below `config`.
"""
