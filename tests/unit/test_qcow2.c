// SPDX-License-Identifier: MIT
#include "launcher/facts/qcow2.h"

#include "base/cleanup.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct image {
	uint8_t bytes[4096];
};

static void put32(struct image *image, size_t at, uint32_t value)
{
	uint32_t v = htobe32(value);

	memcpy(image->bytes + at, &v, sizeof(v));
}

// Version 3, with backing "base.img" of format "raw".
static void make(struct image *image)
{
	*image = (struct image){ 0 };
	put32(image, 0, 0x514649fb);
	put32(image, 4, 3);
	put32(image, 12, 200); // backing offset, low half
	put32(image, 16, 8);
	memcpy(image->bytes + 200, "base.img", 8);
	put32(image, 100, 104);
	put32(image, 104, 0x12345678); // an extension of no interest
	put32(image, 108, 3);
	put32(image, 120, 0xe2792aca);
	put32(image, 124, 3);
	memcpy(image->bytes + 128, "raw", 3);
}

static void test_backing(void **state)
{
	struct qcow2_header header;
	struct image image;

	(void)state;
	make(&image);
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_true(header.valid);
	assert_null(header.unsupported);
	assert_string_equal(header.backing, "base.img");
	assert_string_equal(header.backing_format, "raw");
	qcow2_header_finish(&header);

	put32(&image, 12, 0);
	put32(&image, 104, 0);
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_true(header.valid);
	assert_null(header.backing);
	assert_null(header.backing_format);
	qcow2_header_finish(&header);
}

static void test_version_2(void **state)
{
	struct qcow2_header header;
	struct image image;

	(void)state;
	make(&image);
	put32(&image, 4, 2);
	put32(&image, 72, 0xe2792aca);
	put32(&image, 76, 5);
	memcpy(image.bytes + 80, "qcow2", 5);
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_null(header.unsupported);
	assert_string_equal(header.backing_format, "qcow2");
	qcow2_header_finish(&header);
}

static void test_not_ours(void **state)
{
	struct qcow2_header header;
	struct image image;

	(void)state;
	make(&image);
	put32(&image, 32, 2);
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_string_equal(header.unsupported, "is encrypted");
	qcow2_header_finish(&header);

	make(&image);
	put32(&image, 76, 1 << 2);
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_string_equal(header.unsupported, "keeps its data in another file");
	qcow2_header_finish(&header);

	image.bytes[0] = 'q';
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_false(header.valid);
	assert_null(header.unsupported);
}

// Offsets and lengths beyond the image are damage, at each length the file may have.
static void test_damage(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} damage[] = { { 8, 0xffffffff },   { 12, 4095 },  { 16, 1024 }, { 16, 0xffffffff },
		       { 108, 0xffffffff }, { 124, 4000 }, { 4, 4 } };
	struct qcow2_header header;
	struct image image;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		make(&image);
		put32(&image, damage[i].at, damage[i].value);
		qcow2_header_parse(&image, sizeof(image), &header);
		assert_true(header.valid);
		assert_string_equal(header.unsupported, "has a damaged header");
		qcow2_header_finish(&header);
	}
	make(&image);
	for (size_t size = 0; size < 208; size++) {
		AUTO_FREE uint8_t *exact =
			malloc(size + 1); // the sanitizer sees a read past `size` + 1

		memcpy(exact, &image, size);
		qcow2_header_parse(exact, size, &header);
		assert_int_equal(header.valid, size >= 8);
		assert_int_equal(!!header.unsupported, size >= 8);
		qcow2_header_finish(&header);
	}
	put32(&image, 100, 0xffffffff); // the extensions begin beyond
	qcow2_header_parse(&image, sizeof(image), &header);
	assert_null(header.backing_format);
	qcow2_header_finish(&header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backing),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
