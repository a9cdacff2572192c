/* Constants of the arming (safing) rule, which other code evaluates on another sensor.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000.
 * Counts of the safing sensor are 1/4 g each, positive while the car slows down.
 */
#ifndef CRUMPLE_ARMING_H
#define CRUMPLE_ARMING_H

#define CRUMPLE_ARMING_CLAMP_LSB 480
#define CRUMPLE_ARMING_WINDOW_SAMPLES 4
#define CRUMPLE_ARMING_THRESHOLD_LSB 100 /* sum of counts over the window, about 0.123 m/s */
#define CRUMPLE_ARMING_HOLD_SAMPLES 6

/* Both sensors in one unit, of which a count of either is a whole number. */
#define CRUMPLE_MAIN_UNITS 1
#define CRUMPLE_SAFING_UNITS 4
#define CRUMPLE_UNITS_PER_G 16

#endif
