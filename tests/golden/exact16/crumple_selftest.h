/* Boot test of the crash discrimination: CRC of its tables and known answers.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000, profile exact16.
 */
#ifndef CRUMPLE_SELFTEST_H
#define CRUMPLE_SELFTEST_H

#include <stdint.h>

typedef enum {
    CRUMPLE_SELFTEST_PASSED = 0,
    CRUMPLE_SELFTEST_TABLES = 1, /* the tables differ from those that were proved */
    CRUMPLE_SELFTEST_NET = 2,    /* a known answer of the net differs */
    CRUMPLE_SELFTEST_STEP = 3    /* a known answer of the sequence of samples differs */
} crumple_selftest_verdict;

/* CRC-32 over the tables; the net at rest and with every hidden node at both its extremes; one sequence of samples
 * that runs from rest to the clamp and back. Writes nothing outside its stack. */
crumple_selftest_verdict crumple_selftest(void);

#endif
