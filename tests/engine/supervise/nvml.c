/* A stand-in for the driver's library: two GPUs, and processes as the file YOLOQAT_TEST_NVML tells them.

   With YOLOQAT_TEST_MIG the second one is divided into two MIG instances, which count as GPUs 2 and 3 in that file. */
#include <stdio.h>
#include <stdlib.h>

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } utilization_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; } process_t;

static char devices[4];
static long index_of(void *device) { return (char *) device - devices; }

int nvmlInitWithFlags(unsigned int flags) { return getenv("YOLOQAT_TEST_NVML") ? 0 : 9; }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return "an error"; }
int nvmlDeviceGetCount_v2(unsigned int *count) { *count = 2; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **device) { *device = devices + index; return 0; }
int nvmlDeviceGetUUID(void *device, char *text, unsigned int size) {
    if (index_of(device) > 1) snprintf(text, size, "MIG-%ldf00-5afc", index_of(device));
    else snprintf(text, size, "GPU-%ld%ld%ld%ld", index_of(device), index_of(device), index_of(device), index_of(device));
    return 0;
}
int nvmlDeviceGetMemoryInfo(void *device, memory_t *memory) {
    memory->total = 80000000000ULL; memory->used = index_of(device) ? 9800000000ULL : 500000000ULL;
    memory->free = memory->total - memory->used;
    return 0;
}
/* NVML_ERROR_NOT_SUPPORTED for devices of other kinds than it is for, as with a real driver. */
int nvmlDeviceGetMigMode(void *device, unsigned int *current, unsigned int *pending) {
    if (index_of(device) == 0) return 3;
    *current = *pending = getenv("YOLOQAT_TEST_MIG") != NULL;
    return 0;
}
int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned int *count) { *count = 7; return 0; }
/* NVML_ERROR_NOT_FOUND for all but the second and the fifth. */
int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned int index, void **instance) {
    if (index != 1 && index != 4) return 6;
    *instance = devices + (index == 1 ? 2 : 3);
    return 0;
}
int nvmlDeviceGetUtilizationRates(void *device, utilization_t *load) {
    if (index_of(device) > 1) return 3;
    load->gpu = index_of(device) ? 97 : 0; load->memory = 40;
    return 0;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned int *milliwatts) {
    *milliwatts = 312440;
    return index_of(device) > 1 ? 3 : 0;
}
/* NVML_ERROR_NOT_SUPPORTED on the first one, as on some boards. */
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned int *celsius) {
    *celsius = 61;
    return sensor == 0 && index_of(device) == 1 ? 0 : 3;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned int *count, process_t *found) {
    FILE *file = fopen(getenv("YOLOQAT_TEST_NVML"), "r");
    unsigned int room = *count, number = 0;
    long gpu;
    unsigned int pid;
    unsigned long long used;
    while (file && fscanf(file, "%ld %u %llu", &gpu, &pid, &used) == 3) {
        if (gpu != index_of(device)) continue;
        if (number < room) found[number] = (process_t){pid, used, 0xffffffff, 0xffffffff};
        number++;
    }
    if (file) fclose(file);
    *count = number;
    return number > room ? 7 : 0;
}
