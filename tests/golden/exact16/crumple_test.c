/* Test program for any machine with a C99 compiler: `make test`, or `cmake -B build && cmake --build build && ctest
 * --test-dir build`. Reads the parameter image named on its command line. Exit code 0 when everything agrees.
 *
 * Printed from model 0000000000000000000000000000000000000000000000000000000000000000, profile exact16.
 */
#include "crumple_calibration.h"
#include "crumple_model.h"
#include "crumple_selftest.h"
#include "crumple_vectors.h"

#include <stdio.h>
#include <string.h>

static int failures = 0;

static void expect(int claim, const char *what)
{
    if (!claim) {
        ++failures;
        (void)printf("FAILED: %s\n", what);
    }
}

static void vectors_agree(void)
{
    crumple_state state;
    crumple_init(&state);
    for (size_t k = 0u; k < CRUMPLE_VECTORS; ++k) {
        const crumple_status status = crumple_step(&state, CRUMPLE_VECTOR_LSB[k]);
        expect(status.y == CRUMPLE_VECTOR_Y[k], "y of a golden vector");
        expect(status.vote == (CRUMPLE_VECTOR_Y[k] > 0), "vote of a golden vector");
        expect(status.fire_request == (CRUMPLE_VECTOR_FIRE[k] != 0u), "fire request of a golden vector");
    }
}

static void instances_are_independent(void)
{
    crumple_state first;
    crumple_state second;
    crumple_init(&first);
    crumple_init(&second);
    for (size_t k = 0u; k < CRUMPLE_VECTORS; ++k) {
        const crumple_status status = crumple_step(&first, CRUMPLE_VECTOR_LSB[k]);
        (void)crumple_step(&second, (int16_t)(CRUMPLE_VECTOR_LSB[k] / 2));
        expect(status.y == CRUMPLE_VECTOR_Y[k], "two instances side by side");
    }
}

static void seal(uint8_t *image)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t k = 0u; k < (CRUMPLE_IMAGE_SIZE - 4u); ++k) {
        crc ^= image[k];
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1u) ^ (((crc & 1u) != 0u) ? 0xEDB88320u : 0u);
        }
    }
    crc ^= 0xFFFFFFFFu;
    for (size_t k = 0u; k < 4u; ++k) {
        image[CRUMPLE_IMAGE_SIZE - 4u + k] = (uint8_t)((crc >> (8u * k)) & 0xFFu);
    }
}

static void image_is_read_and_refused(const char *path)
{
    static uint8_t image[CRUMPLE_IMAGE_SIZE + 1u];
    static crumple_parameters read;
    static crumple_parameters untouched;
    FILE *file = fopen(path, "rb");
    const size_t size = (file == NULL) ? 0u : fread(image, 1u, sizeof image, file);
    if (file != NULL) {
        (void)fclose(file);
    }
    expect(crumple_calibration_read(image, size, &read) == CRUMPLE_IMAGE_ACCEPTED, "the image is accepted");
    expect(crumple_parameters_crc32(&read) == CRUMPLE_PARAMETERS_CRC32, "the image holds the built-in parameters");

    expect(crumple_calibration_read(image, size - 1u, &read) == CRUMPLE_IMAGE_SIZE_WRONG, "a short image");
    for (size_t k = 0u; k < CRUMPLE_IMAGE_SIZE; ++k) {
        (void)memset(&read, 0, sizeof read);
        image[k] ^= 0x10u;
        expect(crumple_calibration_read(image, size, &read) != CRUMPLE_IMAGE_ACCEPTED, "an image with one bit changed");
        expect(memcmp(&read, &untouched, sizeof read) == 0, "a refused image changes nothing");
        image[k] ^= 0x10u;
    }
    image[4] = CRUMPLE_IMAGE_LAYOUT_VERSION + 1u;
    seal(image);
    expect(crumple_calibration_read(image, size, &read) == CRUMPLE_IMAGE_VERSION, "another layout version");
    image[4] = CRUMPLE_IMAGE_LAYOUT_VERSION;
    image[14] ^= 1u;
    seal(image);
    expect(crumple_calibration_read(image, size, &read) == CRUMPLE_IMAGE_SHAPE, "another number of hidden nodes");
    image[14] ^= 1u;
    (void)memset(&image[CRUMPLE_IMAGE_HEADER + 8u], 0, 3u); /* a hidden bias of -2^31 */
    image[CRUMPLE_IMAGE_HEADER + 8u + 3u] = 0x80u;
    seal(image);
    expect(crumple_calibration_read(image, size, &read) == CRUMPLE_IMAGE_OUT_OF_RANGE, "a node that could overflow");
}

int main(int argc, char **argv)
{
    expect(crumple_selftest() == CRUMPLE_SELFTEST_PASSED, "boot test");
    vectors_agree();
    instances_are_independent();
    image_is_read_and_refused((argc > 1) ? argv[1] : "crumple_parameters.bin");
    (void)printf("%s: %d failures\n", (failures == 0) ? "passed" : "FAILED", failures);
    return (failures == 0) ? 0 : 1;
}
