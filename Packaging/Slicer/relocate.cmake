# SPDX-License-Identifier: Apache-2.0
# cmake -DPROGRAMS=... -DLIBRARIES=... -P relocate.cmake: all is found from where the program lies; a DT_RPATH of the program holds for
# the libraries too, unless they have one of their own.
foreach(program IN LISTS PROGRAMS)
  file(RPATH_SET FILE ${program} NEW_RPATH "$ORIGIN/../Oncotome")
endforeach()
foreach(library IN LISTS LIBRARIES)
  file(RPATH_REMOVE FILE ${library})
endforeach()
