"""Artefacts that older versions of Pynomaly wrote, and the proof that they still open.

``first_edition.tar.gz`` is the folder of a small pipeline (840 hours of two machines) as the first edition,
0.1.0, left it in another folder: trained, scored for 14 days, judged once, retrained (refused), its alert
policy changed (v3) and rolled back, with one alert confirmed and one called false. Left out are the pages,
the work folder and Prefect's database. ``first_edition_scores.json`` holds what that edition computed for
the golden rows of each version, as hexadecimal floats.
"""
