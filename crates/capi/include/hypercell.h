/* Written by `cargo xtask docs` from crates/capi/src/lib.rs. Do not edit.
 *
 * Checks of hypercell's wire and gates, for tests and fuzzers. Nothing here is stable.
 *
 * Each check returns one of the codes below and writes why to `error`: UTF-8, ended by a zero byte, cut to fit into
 * `error_len` bytes. `error` may be null. No memory changes its owner and nothing is kept. A null pointer of length 0 is empty
 * input. Functions may be called on any threads at once.
 */
#ifndef HYPERCELL_H
#define HYPERCELL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The bytes are what was asked for; the error is empty. */
#define HYPERCELL_OK 0

/* The bytes were refused; the error says why. */
#define HYPERCELL_REFUSED 1

/* A null pointer with a length, or a length above the address space; nothing was looked at. */
#define HYPERCELL_BAD_ARGUMENT -1

/* The check panicked, which is a defect of hypercell. Please report the bytes. */
#define HYPERCELL_PANIC -2

/* Returns the version of the wire. */
uint32_t hypercell_abi_version(void);

/* Checks that the bytes are exactly one value. */
int32_t hypercell_value_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that the bytes are exactly one map with text keys: inputs of a run or arguments of a call. */
int32_t hypercell_named_values_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that the bytes are exactly one frame that a guest may send: header and body. */
int32_t hypercell_guest_frame_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that the bytes are exactly one frame that the host may send: header and body. */
int32_t hypercell_host_frame_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that the bytes are exactly one turn of a guest, which answers the host frame numbered `seq`. */
int32_t hypercell_exit_turn_check(const uint8_t *bytes, size_t len, uint32_t seq, char *error, size_t error_len);

/* Checks that the bytes are exactly one turn of the host. */
int32_t hypercell_enter_turn_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that the bytes are an image archive in which every read succeeds. */
int32_t hypercell_archive_check(const uint8_t *bytes, size_t len, char *error, size_t error_len);

/* Checks that a directory of the host can be mounted at this path of the guest. The path may be any bytes. */
int32_t hypercell_mount_path_check(const uint8_t *path, size_t len, char *error, size_t error_len);

/* Checks that the rule of this pattern, with all methods, allows a request. No name is resolved. */
int32_t hypercell_url_rule_check(const uint8_t *pattern, size_t pattern_len, const uint8_t *method, size_t method_len, const uint8_t *url, size_t url_len, char *error, size_t error_len);

#ifdef __cplusplus
}
#endif

#endif
