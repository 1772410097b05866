// SPDX-License-Identifier: Apache-2.0
// OpenBLAS: the C interface of BLAS, its thread control, and the LAPACK routines that Forage calls (Fortran ABI).
#pragma once
#include <cblas.h>

void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);

/// Eigenvalues and, with jobz = 'V', eigenvectors of a real symmetric matrix (divide and conquer).
extern void ssyevd_(const char *jobz, const char *uplo, const int *n, float *a, const int *lda, float *w, float *work,
                    const int *lwork, int *iwork, const int *liwork, int *info);
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                    double *work, const int *lwork, int *iwork, const int *liwork, int *info);
