/* What the rows of hfquant_config.c point to, packing by packing: sizes and landing type, codes,
 * scales and zeros, values. Private to hfquant*.c. */
#ifndef NIBBLE_HFQUANT_ROWS_H
#define NIBBLE_HFQUANT_ROWS_H

#include "core/files/hfquant.h"

nb_status nb_gptq_open(nb_packed *p, nb_err *err);
void nb_gptq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_gptq_scale(const nb_packed *p, uint64_t row, uint64_t group);
int nb_gptq_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_awq_open(nb_packed *p, nb_err *err);
void nb_awq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
int nb_awq_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_gemv_open(nb_packed *p, nb_err *err);
void nb_gemv_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_gemv_scale(const nb_packed *p, uint64_t row, uint64_t group);
int nb_gemv_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_ct_open(nb_packed *p, nb_err *err);
int nb_ct_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_bitnet_open(nb_packed *p, nb_err *err);
void nb_bitnet_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_bitnet_scale(const nb_packed *p, uint64_t row, uint64_t group);
int nb_bitnet_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_int8_open(nb_packed *p, nb_err *err);
void nb_int8_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_int8_scale(const nb_packed *p, uint64_t row, uint64_t group);
float nb_scb_scale(const nb_packed *p, uint64_t row, uint64_t group);
int nb_no_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_fp8_open(nb_packed *p, nb_err *err);
void nb_fp8_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
nb_status nb_bnb4_open(nb_packed *p, nb_err *err);
void nb_bnb4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
nb_status nb_fp4_open(nb_packed *p, nb_err *err);
void nb_fp4_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_fp4_scale(const nb_packed *p, uint64_t row, uint64_t group);

nb_status nb_hqq_open(nb_packed *p, nb_err *err);
void nb_hqq_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_hqq_scale(const nb_packed *p, uint64_t row, uint64_t group);
float nb_hqq_offset(const nb_packed *p, uint64_t row, uint64_t group);
void nb_hqq_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
nb_status nb_quanto_open(nb_packed *p, nb_err *err);
void nb_quanto_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_quanto_offset(const nb_packed *p, uint64_t row, uint64_t group);
void nb_quanto_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);

nb_status nb_marlin_open(nb_packed *p, nb_err *err);
void nb_marlin_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_marlin_scale(const nb_packed *p, uint64_t row, uint64_t group);
int nb_marlin_zero(const nb_packed *p, uint64_t row, uint64_t group);
nb_status nb_fast_open(nb_packed *p, nb_err *err);
void nb_fast_codes(const nb_packed *p, uint64_t row, uint64_t col, size_t n, int *out);
float nb_fast_offset(const nb_packed *p, uint64_t row, uint64_t group);
void nb_fast_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);

nb_status nb_mxfp4_open(nb_packed *p, nb_err *err);
void nb_mxfp4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
void nb_mxfp4_block(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out);

nb_status nb_nvfp4_open(nb_packed *p, nb_err *err);
nb_status nb_nvfp4_inverse_open(nb_packed *p, nb_err *err);
void nb_nvfp4_values(const nb_packed *p, uint64_t row, uint64_t col, size_t n, float *out);
void nb_nvfp4_block(const nb_packed *p, uint64_t row, uint64_t col, uint8_t *out);

#endif
