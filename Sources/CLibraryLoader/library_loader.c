// SPDX-License-Identifier: Apache-2.0
#include "library_loader.h"
#include <dlfcn.h>

int forage_library_load(const char *const *libraries, const forage_library_function *functions, size_t count, void *table) {
    void *handle = NULL;
    for (; *libraries && !handle; libraries++) handle = dlopen(*libraries, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return 0;
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(handle, functions[i].name);
        if (!function) {
            dlclose(handle);
            return 0;
        }
        *(void **)((char *)table + functions[i].place) = function;
    }
    return 1;
}
