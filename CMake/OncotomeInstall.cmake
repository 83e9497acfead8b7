# SPDX-License-Identifier: Apache-2.0
# What is installed, by component, and found again by find_package(Oncotome). Nothing of it names the place it was installed to.
# ONCOTOME_DEVELOPERS_ONLY: EXCLUDE_FROM_ALL where an installation is a package for users.
include(CMakePackageConfigHelpers)

# oncotome_install(<component> <folder of headers> <target>): a library that find_package(Oncotome COMPONENTS <component>) brings.
function(oncotome_install component include target)
  string(REGEX REPLACE "^oncotome_" "" short ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${short} INSTALL_RPATH "$ORIGIN")
  add_library(Oncotome::${short} ALIAS ${target})
  install(TARGETS ${target} EXPORT Oncotome${component}Targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component} ${ONCOTOME_DEVELOPERS_ONLY}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${component} ${ONCOTOME_DEVELOPERS_ONLY})
  install(DIRECTORY ${include}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT ${component} ${ONCOTOME_DEVELOPERS_ONLY})
endfunction()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Oncotome)
set(models_dir ${CMAKE_INSTALL_DATADIR}/oncotome/Models)
oncotome_install(Engine Libs/Core/include oncotome_core)
oncotome_install(Engine Libs/Engine/include oncotome_engine)
# Its headers name types of nlohmann-json.
target_link_libraries(oncotome_engine PUBLIC nlohmann_json::nlohmann_json)
set(components Engine)
if(NOT ONCOTOME_ENGINE_ONLY)
  oncotome_install(Dicom Libs/Dicom/include oncotome_dicom)
  oncotome_install(Render Libs/Render/include oncotome_render)
  list(APPEND components Dicom ITK Render)
  file(RELATIVE_PATH libraries ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
  set_target_properties(oncotome PROPERTIES INSTALL_RPATH "$ORIGIN/${libraries}")
  install(TARGETS oncotome RUNTIME COMPONENT Programs ${ONCOTOME_DEVELOPERS_ONLY})
endif()
# What the engine loads on first need, from its own folder.
set_target_properties(oncotome_torch oncotome_training PROPERTIES INSTALL_RPATH "$ORIGIN")
install(TARGETS oncotome_torch LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Torch ${ONCOTOME_DEVELOPERS_ONLY})
install(TARGETS oncotome_training LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT Training ${ONCOTOME_DEVELOPERS_ONLY})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/OncotomeConfig.cmake.in ${CMAKE_BINARY_DIR}/OncotomeConfig.cmake
                              INSTALL_DESTINATION ${package_dir} PATH_VARS models_dir)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/OncotomeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/OncotomeConfig.cmake ${CMAKE_BINARY_DIR}/OncotomeConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/OncotomeThirdParty.cmake
        DESTINATION ${package_dir} COMPONENT Engine ${ONCOTOME_DEVELOPERS_ONLY})
foreach(component ${components})
  install(EXPORT Oncotome${component}Targets NAMESPACE Oncotome:: DESTINATION ${package_dir} COMPONENT ${component} ${ONCOTOME_DEVELOPERS_ONLY})
endforeach()

install(DIRECTORY Data/Models/ DESTINATION ${models_dir} COMPONENT Data ${ONCOTOME_DEVELOPERS_ONLY}
        FILES_MATCHING PATTERN model.json PATTERN weights.safetensors PATTERN README.md)
install(DIRECTORY Data/Schemas DESTINATION ${CMAKE_INSTALL_DATADIR}/oncotome COMPONENT Data ${ONCOTOME_DEVELOPERS_ONLY})
install(FILES LICENSE.txt NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/oncotome COMPONENT Data ${ONCOTOME_DEVELOPERS_ONLY})
