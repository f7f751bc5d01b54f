// The part of ONNX Runtime's C API that this package calls, by place in its table OrtApi. The table only ever grows at its end ("Size of
// version N API cannot change" in its own source), so a place stays what it is. layout_test.go compares every line with the real header.
#ifndef CLIPKIT_ORT_API_H
#define CLIPKIT_ORT_API_H
#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtIoBinding OrtIoBinding;
typedef struct OrtValue OrtValue;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtSyncStream OrtSyncStream;
typedef struct OrtCANNProviderOptions OrtCANNProviderOptions;
typedef struct OrtEpDevice OrtEpDevice;
typedef struct OrtHardwareDevice OrtHardwareDevice;
typedef struct OrtEpAssignedSubgraph OrtEpAssignedSubgraph;
typedef struct OrtEpAssignedNode OrtEpAssignedNode;

// Only the members that are used here; the negative ones make these types signed, as the header's are.
typedef enum { ort_fail = 1 } OrtErrorCode;
typedef enum { ort_error = 3 } OrtLoggingLevel;
typedef enum { ort_float = 1 } ONNXTensorElementDataType;
typedef enum { ort_device_allocator = 0, ort_invalid_allocator = -1 } OrtAllocatorType;
typedef enum { ort_default = 0, ort_cpu_output = -1 } OrtMemType;
typedef enum { ort_npu_memory = 3 } OrtMemoryInfoDeviceType;
typedef enum { ort_default_memory = 0 } OrtDeviceMemoryType;
typedef enum { ort_cpu, ort_gpu, ort_npu } OrtHardwareDeviceType;
typedef void (*OrtLoggingFunction)(void*, OrtLoggingLevel, const char*, const char*, const char*, const char*);

typedef struct {
  const void* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)(void);
} OrtApiBase;

// X(place, result, name, parameters)
#define ORT_FUNCTIONS(X) \
  X(0, OrtStatus*, CreateStatus, (OrtErrorCode, const char*)) \
  X(2, const char*, GetErrorMessage, (const OrtStatus*)) \
  X(4, OrtStatus*, CreateEnvWithCustomLogger, (OrtLoggingFunction, void*, OrtLoggingLevel, const char*, OrtEnv**)) \
  X(7, OrtStatus*, CreateSession, (const OrtEnv*, const char*, const OrtSessionOptions*, OrtSession**)) \
  X(8, OrtStatus*, CreateSessionFromArray, (const OrtEnv*, const void*, size_t, const OrtSessionOptions*, OrtSession**)) \
  X(10, OrtStatus*, CreateSessionOptions, (OrtSessionOptions**)) \
  X(22, OrtStatus*, SetSessionLogSeverityLevel, (OrtSessionOptions*, int)) \
  X(24, OrtStatus*, SetIntraOpNumThreads, (OrtSessionOptions*, int)) \
  X(48, OrtStatus*, CreateTensorAsOrtValue, (OrtAllocator*, const int64_t*, size_t, ONNXTensorElementDataType, OrtValue**)) \
  X(49, OrtStatus*, CreateTensorWithDataAsOrtValue, \
    (const OrtMemoryInfo*, void*, size_t, const int64_t*, size_t, ONNXTensorElementDataType, OrtValue**)) \
  X(51, OrtStatus*, GetTensorMutableData, (OrtValue*, void**)) \
  X(60, OrtStatus*, GetTensorElementType, (const OrtTensorTypeAndShapeInfo*, ONNXTensorElementDataType*)) \
  X(61, OrtStatus*, GetDimensionsCount, (const OrtTensorTypeAndShapeInfo*, size_t*)) \
  X(62, OrtStatus*, GetDimensions, (const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)) \
  X(65, OrtStatus*, GetTensorTypeAndShape, (const OrtValue*, OrtTensorTypeAndShapeInfo**)) \
  X(69, OrtStatus*, CreateCpuMemoryInfo, (OrtAllocatorType, OrtMemType, OrtMemoryInfo**)) \
  X(76, OrtStatus*, AllocatorFree, (OrtAllocator*, void*)) \
  X(78, OrtStatus*, GetAllocatorWithDefaultOptions, (OrtAllocator**)) \
  X(93, void, ReleaseStatus, (OrtStatus*)) \
  X(94, void, ReleaseMemoryInfo, (OrtMemoryInfo*)) \
  X(95, void, ReleaseSession, (OrtSession*)) \
  X(96, void, ReleaseValue, (OrtValue*)) \
  X(99, void, ReleaseTensorTypeAndShapeInfo, (OrtTensorTypeAndShapeInfo*)) \
  X(100, void, ReleaseSessionOptions, (OrtSessionOptions*)) \
  X(130, OrtStatus*, AddSessionConfigEntry, (OrtSessionOptions*, const char*, const char*)) \
  X(131, OrtStatus*, CreateAllocator, (const OrtSession*, const OrtMemoryInfo*, OrtAllocator**)) \
  X(132, void, ReleaseAllocator, (OrtAllocator*)) \
  X(133, OrtStatus*, RunWithBinding, (OrtSession*, const OrtRunOptions*, const OrtIoBinding*)) \
  X(134, OrtStatus*, CreateIoBinding, (OrtSession*, OrtIoBinding**)) \
  X(135, void, ReleaseIoBinding, (OrtIoBinding*)) \
  X(136, OrtStatus*, BindInput, (OrtIoBinding*, const char*, const OrtValue*)) \
  X(138, OrtStatus*, BindOutputToDevice, (OrtIoBinding*, const char*, const OrtMemoryInfo*)) \
  X(140, OrtStatus*, GetBoundOutputValues, (const OrtIoBinding*, OrtAllocator*, OrtValue***, size_t*)) \
  X(216, OrtStatus*, SessionOptionsAppendExecutionProvider, \
    (OrtSessionOptions*, const char*, const char* const*, const char* const*, size_t)) \
  X(220, OrtStatus*, SessionOptionsAppendExecutionProvider_CANN, (OrtSessionOptions*, const OrtCANNProviderOptions*)) \
  X(221, OrtStatus*, CreateCANNProviderOptions, (OrtCANNProviderOptions**)) \
  X(222, OrtStatus*, UpdateCANNProviderOptions, (OrtCANNProviderOptions*, const char* const*, const char* const*, size_t)) \
  X(224, void, ReleaseCANNProviderOptions, (OrtCANNProviderOptions*)) \
  X(301, OrtStatus*, RegisterExecutionProviderLibrary, (OrtEnv*, const char*, const char*)) \
  X(303, OrtStatus*, GetEpDevices, (const OrtEnv*, const OrtEpDevice* const**, size_t*)) \
  X(304, OrtStatus*, SessionOptionsAppendExecutionProvider_V2, \
    (OrtSessionOptions*, OrtEnv*, const OrtEpDevice* const*, size_t, const char* const*, const char* const*, size_t)) \
  X(307, OrtHardwareDeviceType, HardwareDevice_Type, (const OrtHardwareDevice*)) \
  X(312, const char*, EpDevice_EpName, (const OrtEpDevice*)) \
  X(316, const OrtHardwareDevice*, EpDevice_Device, (const OrtEpDevice*)) \
  X(320, OrtStatus*, CreateMemoryInfo_V2, \
    (const char*, OrtMemoryInfoDeviceType, uint32_t, int32_t, OrtDeviceMemoryType, size_t, OrtAllocatorType, OrtMemoryInfo**)) \
  X(374, const OrtMemoryInfo*, EpDevice_MemoryInfo, (const OrtEpDevice*, OrtDeviceMemoryType)) \
  X(386, OrtStatus*, CopyTensors, (const OrtEnv*, const OrtValue* const*, OrtValue* const*, OrtSyncStream*, size_t)) \
  X(407, OrtStatus*, Session_GetEpGraphAssignmentInfo, (const OrtSession*, const OrtEpAssignedSubgraph* const**, size_t*)) \
  X(408, OrtStatus*, EpAssignedSubgraph_GetEpName, (const OrtEpAssignedSubgraph*, const char**)) \
  X(409, OrtStatus*, EpAssignedSubgraph_GetNodes, (const OrtEpAssignedSubgraph*, const OrtEpAssignedNode* const**, size_t*)) \
  X(412, OrtStatus*, EpAssignedNode_GetOperatorType, (const OrtEpAssignedNode*, const char**))

// The table as of version 17, the oldest that compute-onnx runs with, has this many places; it calls nothing newer.
#define ORT_PLACES_17 276

// Versions of ONNX Runtime (1.x) from which on these can be called.
#define ORT_HAS_PLUGINS 23
#define ORT_HAS_ASSIGNMENT 24

#endif
