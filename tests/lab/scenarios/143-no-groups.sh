#!/bin/bash
# lab: full kernel=iommufd-only limit=900
# The same where VFIO has no groups at all (CONFIG_VFIO_GROUP=n): there is no other way then.
exec tests/lab/scenarios/142-iommufd.sh
