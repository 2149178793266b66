# Memory in use: sorts, searches, copies, matrices.
# packages: stress-ng
# seconds: 600
. "$CASES/stress"
stress atomic bsearch context full heapsort hsearch judy list lockbus lsearch matrix matrix-3d \
  mcontend membarrier memcpy memfd memrate memthrash mergesort mincore misaligned null numa pipe \
  pipeherd prefetch qsort radixsort randlist remap rmap shellsort skiplist sparsematrix str stream \
  tlb-shootdown tree tsearch wcs zero zlib
