// What ort.c offers to Go. Functions give NULL or an OrtStatus, which the caller hands to ort_message.
#ifndef CLIPKIT_ORT_H
#define CLIPKIT_ORT_H
#include "api.h"

// A provider to append to a session's options.
typedef struct {
  const char* name;    // "" = none, "CANN", "plugin", else what SessionOptionsAppendExecutionProvider takes ("OpenVINO")
  const char* library; // of a plugin
  int kind;            // of a plugin's device: an OrtHardwareDeviceType
  int index;           // of the device
  const char** keys;   // options of the provider
  const char** values;
  size_t options;
  const char** config_keys; // options of the session
  const char** config_values;
  size_t configs;
  int log; // OrtLoggingLevel of the session
  int threads; // of one operator; 0 = as many as ONNX Runtime takes by itself
} ort_provider;

// Memory of a device, of one allocator. It must outlive the values in it.
typedef struct ort_memory ort_memory;

char* ort_load(const char* library, int log); // NULL or a malloc'ed error; the first call decides for the process
const char* ort_version(void);
int ort_minor(void);
void* ort_table(void); // for compute-onnx
void* ort_env(void);
void ort_export(int on); // on this thread, a session for compute-onnx is an empty one

char* ort_message(OrtStatus*); // malloc'ed; frees the status
char* ort_said(void);          // what the runtime logged since ort_hush, malloc'ed
void ort_hush(void);
void ort_show(int level); // log lines of this level and above also go to standard error

OrtStatus* ort_session(const void* model, size_t n, const ort_provider*, OrtSession** out); // n = 0: model is the path of a file
void ort_release_session(OrtSession*);
OrtStatus* ort_placement(const OrtSession*, char** out); // "provider operator…\n" for each subgraph, malloc'ed

OrtStatus* ort_memory_new(const ort_provider*, const OrtSession*, ort_memory** out);
int ort_memory_is_host(const ort_memory*);
void ort_memory_free(ort_memory*);
OrtStatus* ort_value(ort_memory*, const int64_t* dims, size_t rank, int type, OrtValue** out);
void ort_release_value(ort_memory*, OrtValue*);
OrtStatus* ort_data(OrtValue*, void** out);
OrtStatus* ort_shape(const OrtValue*, int* type, int64_t* dims, size_t* rank); // of at most *rank axes
// ort_copy copies into the value, or out of it to the host.
OrtStatus* ort_copy(ort_memory*, int in, OrtValue*, void* host, size_t bytes, const int64_t* dims, size_t rank, int type);

// Runs a session on values in m; the outputs are new values in m.
OrtStatus* ort_run(OrtSession*, ort_memory* m, const char** in_names, OrtValue** in, size_t ins, const char** out_names, OrtValue** out, size_t outs);

#endif
