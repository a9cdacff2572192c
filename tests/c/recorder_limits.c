/* Counters of the event data recorder at their limits, which would take 65 535 drives or crashes to reach.
 * Returns the line of the first expectation that does not hold, 0 if all do. */
#include "edr.h"

#define EXPECT(holds)                                                                                                  \
    do {                                                                                                               \
        if (!(holds)) {                                                                                                \
            return __LINE__;                                                                                           \
        }                                                                                                              \
    } while (0)

#define BLOW 1600 /* 100 g of a sensor of 1/16 g */

int recorder_limits(void);

/* A blow that is kept, and rest until its record is closed. */
static void blow(edr_recorder *self, bool has_fired)
{
    for (uint32_t k = 0u; k < 400u; ++k) {
        edr_tick tick = {0u, 0, 0u, true, false, false, false, false, {false, false}, {0u, 0u, 0u, 0u}};
        tick.sample_lsb = (k < 40u) ? (int16_t)BLOW : (int16_t)0;
        tick.has_fired = has_fired;
        edr_step(self, &tick);
    }
}

int recorder_limits(void)
{
    edr_recorder self;
    edr_init(&self);
    EXPECT(self.memory.ignition_cycle == 1u);
    self.memory.ignition_cycle = (uint16_t)(UINT16_MAX - 1u);
    self.memory.order = (uint16_t)(UINT16_MAX - 2u);
    for (uint32_t k = 0u; k < 3u; ++k) {
        edr_power_on(&self);
        blow(&self, k > 0u);
        EXPECT(self.memory.ignition_cycle == UINT16_MAX);
        EXPECT(self.memory.order == ((k == 0u) ? (UINT16_MAX - 1u) : UINT16_MAX));
    }
    EXPECT(self.memory.not_stored == 0u); /* the third took the place of the first, which was not locked */
    self.memory.not_stored = (uint16_t)(UINT16_MAX - 1u);
    for (uint32_t k = 0u; k < 2u; ++k) {
        blow(&self, true);
        EXPECT(self.memory.not_stored == UINT16_MAX);
    }
    return 0;
}
