#!/bin/bash
# lab: full limit=900
# As 45-sudden-death, at many more moments.
MOMENTS=40 exec tests/lab/scenarios/45-sudden-death.sh
