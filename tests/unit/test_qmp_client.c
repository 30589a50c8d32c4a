// SPDX-License-Identifier: MIT
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mem.h"
#include "qmp/client.h"
#include "qmp/json.h"
#include "tests/unit/peer.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

// Conversations. Each is played whole, with a break at every byte, and broken off at every byte.
struct transcript {
	const char *name;
	const char *commands[10]; // queued before the greeting
	const char *says[4];	  // each said once the client has written what it wants
	const char *want;
};

static const struct transcript transcripts[] = {
	{
		"the start of a guest",
		{ "query-cpus-fast", "query-iothreads", "cont" },
		{
			PEER_GREETING,
			"{\"return\": {}, \"id\": $1}\r\n",
			"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\"}\r\n"
			"{\"return\": [{\"thread-id\": 25627}], \"id\": $2}\r\n"
			"{\"return\": [], \"id\": $3}\r\n"
			"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 999999}, \"event\": "
			"\"RESUME\", \"data\": {}}\r\n"
			"{\"return\": {}, \"id\": $4}\r\n",
		},
		"> qmp_capabilities\n"
		"> query-cpus-fast\n> query-iothreads\n> cont\n"
		"event RESUME - at 1.000002\n"
		"result query-cpus-fast [{\"thread-id\":25627}]\n"
		"result query-iothreads []\n"
		"event RESUME {} at 1.999999\n"
		"result cont {}\n",
	},
	{
		"answers out of order, an error among them",
		{ "stop", "device_add" },
		{
			PEER_GREETING,
			"{\"id\": $1, \"return\": {}}\n",
			"{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Bus 'p\\u00e9' not "
			"found\\n\"}, \"id\": $3}\r\n\r\n\n"
			"{\"return\": null, \"id\": $2}\n",
		},
		"> qmp_capabilities\n> stop\n> device_add\n"
		"refused device_add ENODEV Bus 'p\xc3\xa9' not found\\n\n"
		"result stop null\n",
	},
	{
		"ids that are not ours",
		{ "query-status" },
		{
			PEER_GREETING,
			"{\"return\": {}, \"id\": 2}\n{\"return\": {}, \"id\": $1}\n",
			"{\"return\": 1}\n{\"return\": 2, \"id\": null}\n{\"return\": 3, \"id\": \"$2\"}\n"
			"{\"return\": 4, \"id\": $2.0}\n{\"return\": 5, \"id\": {\"id\": $2}}\n"
			"{\"return\": 6, \"id\": [$2]}\n{\"return\": 7, \"id\": -$2}\n"
			"{\"return\": 8, \"id\": $20}\n{\"return\": 9, \"id\": $1}\n"
			"{\"return\": 10, \"id\": 99999999999999999999999999}\n"
			"{\"return\": 11, \"id\": true}\n{\"error\": {\"desc\": \"x\"}, \"id\": $1}\n"
			"{\"error\": {\"desc\": \"x\"}, \"id\": null}\n"
			"{\"return\": \"right\", \"id\": $2}\n{\"return\": \"again\", \"id\": $2}\n",
		},
		"> qmp_capabilities\n> query-status\nresult query-status \"right\"\n",
	},
	{
		"messages of other shapes",
		{ "quit" },
		{
			PEER_GREETING,
			"{\"return\": {}, \"id\": $1}\n",
			"{}\n{\"hello\": 1}\n{\"event\": 1}\n{\"event\": null}\n"
			"{\"event\": \"E\", \"timestamp\": 1, \"data\": 1}\n"
			"{\"event\": \"F\", \"timestamp\": {\"seconds\": \"1\"}, \"data\": [], \"more\": {}}\n"
			"{\"error\": 1, \"id\": $2}\n",
		},
		"> qmp_capabilities\n> quit\nevent E -\nevent F -\n"
		"refused quit QEMU gave no reason\n",
	},
	{
		"errors by their class",
		{ "device_del", "device_del" },
		{
			PEER_GREETING,
			"{\"return\": {}, \"id\": $1}\n",
			"{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'x' not found\"}, \"id\": $2}\n"
			"{\"error\": {\"class\": [\"DeviceNotFound\"], \"desc\": \"busy\"}, \"id\": $3}\n",
		},
		"> qmp_capabilities\n> device_del\n> device_del\n"
		"refused device_del ENODEV Device 'x' not found\nrefused device_del busy\n",
	},
	{
		"an error that answers nothing",
		{ "query-status", "quit" },
		{
			PEER_GREETING,
			"{\"return\": {}, \"id\": $1}\n",
			"{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray 'x'\"}}\n"
			"{\"return\": {}, \"id\": $2}\n",
		},
		"> qmp_capabilities\n> query-status\n> quit\n"
		"lost query-status EPROTO\nlost quit EPROTO\nclosed EPROTO\n",
	},
	{
		"capabilities refused",
		{ "query-status" },
		{ PEER_GREETING, "{\"error\": {\"desc\": \"no\"}, \"id\": $1}\n" },
		"> qmp_capabilities\n> query-status\nlost query-status EPROTO\nclosed EPROTO\n",
	},
	{
		"a second greeting",
		{ "query-status" },
		{ PEER_GREETING, "{\"return\": {}, \"id\": $1}\n", PEER_GREETING },
		"> qmp_capabilities\n> query-status\nlost query-status EPROTO\nclosed EPROTO\n",
	},
	{
		"a greeting of another shape",
		{ "query-status" },
		{ "{\"QMP\": null}\n" },
		"lost query-status EPROTO\nclosed EPROTO\n",
	},
	{
		"another protocol",
		{ "query-status" },
		{ "220 mail.example ESMTP\r\n" },
		"lost query-status EPROTO\nclosed EPROTO\n",
	},
	{
		"not UTF-8",
		{ "query-status" },
		{ PEER_GREETING, "{\"return\": \"\xc0\x80\", \"id\": $1}\n" },
		"> qmp_capabilities\n> query-status\nlost query-status EPROTO\nclosed EPROTO\n",
	},
	{
		"more commands than may be in flight",
		{ "a", "b", "c", "d", "e", "f", "g", "h", "i", "j" },
		{
			PEER_GREETING,
			"{\"return\": 0, \"id\": $1}\n",
			"{\"return\": 1, \"id\": $2}\n",
			"{\"return\": 2, \"id\": $4}\n",
		},
		"> qmp_capabilities\n> a\n> b\n> c\n> d\n> e\n> f\n> g\n> h\n"
		"result a 1\n> i\nresult c 2\n> j\n",
	},
};

static void queue_commands(struct peer *peer, const struct transcript *transcript)
{
	for (size_t i = 0; i < ARRAY_SIZE(transcript->commands) && transcript->commands[i]; i++)
		peer_command(peer, transcript->commands[i], NULL, QMP_QUIT);
	peer_process(peer);
}

// Says everything, with a break after `split` bytes (counted over all of it). Returns how many there were.
static size_t play(struct peer *peer, const struct transcript *transcript, size_t split)
{
	size_t said = 0;

	queue_commands(peer, transcript);
	for (size_t i = 0; i < ARRAY_SIZE(transcript->says) && transcript->says[i]; i++) {
		AUTO_FREE char *text = peer_fill_in(peer, transcript->says[i]);
		size_t size = strlen(text);
		size_t first = split > said && split < said + size ? split - said : size;

		peer_write(peer, text, first);
		peer_write(peer, text + first, size - first);
		peer_take_commands(peer);
		said += size;
	}
	return said;
}

static void assert_transcript(const struct transcript *transcript, const struct peer *peer, size_t split)
{
	if (strcmp(str_text(&peer->log), transcript->want) == 0)
		return;
	print_error("%s, split at %zu:\n%s", transcript->name, split, str_text(&peer->log));
	assert_string_equal(str_text(&peer->log), transcript->want);
}

static void transcripts_do_not_depend_on_the_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		size_t total = 1;

		for (size_t split = 0; split < total; split++) {
			struct peer peer;

			peer_init(&peer, 60000);
			total = play(&peer, &transcripts[i], split);
			assert_transcript(&transcripts[i], &peer, split);
			peer_finish(&peer);
		}
	}
}

static void transcripts_survive_one_byte_at_a_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		struct peer peer;

		peer_init(&peer, 60000);
		queue_commands(&peer, &transcripts[i]);
		for (size_t j = 0; j < ARRAY_SIZE(transcripts[i].says) && transcripts[i].says[j]; j++) {
			AUTO_FREE char *text = peer_fill_in(&peer, transcripts[i].says[j]);

			for (const char *at = text; *at; at++)
				peer_write(&peer, at, 1);
			peer_take_commands(&peer);
		}
		assert_transcript(&transcripts[i], &peer, 0);
		peer_finish(&peer);
	}
}

static unsigned count_lines(const struct str *log, const char *start)
{
	unsigned count = 0;

	for (const char *line = str_text(log); *line; line = strchr(line, '\n') + 1)
		count += str_starts(line, start);
	return count;
}

// Says the first `size` bytes of the whole conversation.
static size_t play_part(struct peer *peer, const struct transcript *transcript, size_t size)
{
	size_t said = 0;

	queue_commands(peer, transcript);
	for (size_t i = 0; i < ARRAY_SIZE(transcript->says) && transcript->says[i]; i++) {
		AUTO_FREE char *text = peer_fill_in(peer, transcript->says[i]);
		size_t part = said >= size ? 0 : size - said < strlen(text) ? size - said : strlen(text);

		peer_write(peer, text, part);
		peer_take_commands(peer);
		said += strlen(text);
	}
	return said;
}

static void end_of_file_at_every_byte_answers_everything_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		size_t total = 0;

		for (size_t size = 0; size <= total; size++) {
			bool lost;
			struct peer peer;

			peer_init(&peer, 60000);
			total = play_part(&peer, &transcripts[i], size);
			lost = peer.closed;
			peer_hang_up(&peer);
			for (size_t j = 0; j < peer.sent_count; j++)
				assert_int_equal(peer.sent[j].replies, 1);
			assert_int_equal(peer.closed, 1);
			assert_int_equal(count_lines(&peer.log, "event SHUTDOWN "), lost ? 0 : 1);
			assert_true(str_ends(peer.log.text, lost ? "closed EPROTO\n"
							    : "event SHUTDOWN {\"guest\":false,"
							      "\"reason\":\"disconnect\"}\n"
							      "closed ECONNRESET\n"));
			assert_int_equal(qmp_client_timeout(peer.client), -1);
			assert_int_equal(qmp_client_fd(peer.client), -1);
			peer_finish(&peer);
		}
	}
}

static void a_real_shutdown_is_not_repeated(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	peer_say(&peer, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
			"\"guest-shutdown\"}, \"timestamp\": {\"seconds\": 5, \"microseconds\": 6}}\r\n");
	peer_hang_up(&peer);
	assert_string_equal(peer.log.text,
			    "event SHUTDOWN {\"guest\":true,\"reason\":\"guest-shutdown\"} at 5.000006\n"
			    "closed ECONNRESET\n");
	peer_finish(&peer);
}

// QEMU leaves the end of quit's line unread: what it said is still read, then ECONNRESET means the end.
static void the_last_words_of_a_peer_that_reads_no_more_are_heard(void **state)
{
	static const char words[] = "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"host-qmp-quit\"}}\n";
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	peer_command(&peer, "quit", NULL, QMP_QUIT);
	assert_int_equal(send(peer.fd, words, strlen(words), 0), strlen(words));
	close(take_fd(&peer.fd));
	peer_command(&peer, "query-status", NULL, QMP_QUICK);
	peer_process(&peer);
	assert_string_equal(peer.log.text, "event SHUTDOWN {\"reason\":\"host-qmp-quit\"}\n"
					   "lost quit ECONNRESET\nlost query-status ECONNRESET\n"
					   "closed ECONNRESET\n");
	assert_int_equal(peer_command(&peer, "cont", NULL, QMP_RUN), 0);
	peer_process(&peer);
	assert_int_equal(peer.sent[2].replies, 0);
	peer_finish(&peer);
}

static void wait_for_deadline(struct peer *peer)
{
	int timeout = qmp_client_timeout(peer->client);

	assert_in_range(timeout, 0, 1000);
	poll(NULL, 0, timeout);
	peer_process(peer);
}

static void a_deadline_fails_the_command_and_not_the_conversation(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	assert_int_equal(qmp_client_timeout(peer.client), -1);
	peer_command(&peer, "slow", NULL, 1);
	peer_command(&peer, "quick", NULL, QMP_QUICK);
	wait_for_deadline(&peer);
	peer_say(&peer, "{\"return\": 1, \"id\": $2}\n{\"return\": 2, \"id\": $3}\n");
	assert_string_equal(peer.log.text, "lost slow ETIMEDOUT\n> slow\n> quick\nresult quick 2\n");
	assert_int_equal(qmp_client_timeout(peer.client), -1);
	peer_finish(&peer);
}

static void what_expired_unsent_is_never_sent(void **state)
{
	static const char *const names[] = { "1", "2", "3", "4", "5", "6", "7", "8" };
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		peer_command(&peer, names[i], NULL, QMP_QUICK);
	peer_command(&peer, "late", NULL, 1);
	peer_command(&peer, "next", NULL, QMP_QUICK);
	wait_for_deadline(&peer);
	peer_say(&peer, "{\"return\": {}, \"id\": $2}\n");
	assert_string_equal(peer.log.text, "lost late ETIMEDOUT\n> 1\n> 2\n> 3\n> 4\n> 5\n> 6\n> 7\n> 8\n"
					   "result 1 {}\n> next\n");
	peer_finish(&peer);
}

static void commands_that_were_given_up_still_count_as_in_flight(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	for (size_t i = 0; i < 8; i++)
		peer_command(&peer, "slow", NULL, 1);
	peer_command(&peer, "next", NULL, QMP_QUICK);
	while (peer.sent[7].replies == 0)
		wait_for_deadline(&peer);
	peer_take_commands(&peer);
	assert_int_equal(count_lines(&peer.log, "> next"), 0);
	peer_say(&peer, "{\"return\": {}, \"id\": $9}\n");
	assert_int_equal(count_lines(&peer.log, "> next"), 1);
	peer_finish(&peer);
}

static void a_greeting_that_does_not_come_ends_it(void **state)
{
	static const char *const first[] = { "", "{\"QMP\":", PEER_GREETING };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		struct peer peer;

		peer_init(&peer, 20);
		peer_command(&peer, "cont", NULL, QMP_RUN);
		peer_write(&peer, first[i], strlen(first[i]));
		wait_for_deadline(&peer);
		assert_string_equal(peer.log.text, "lost cont ETIMEDOUT\nclosed ETIMEDOUT\n");
		peer_finish(&peer);
	}
}

static void the_clock_of_a_command_starts_when_qemu_is_ready(void **state)
{
	struct peer peer;

	(void)state;
	peer_init(&peer, 60000);
	peer_command(&peer, "cont", NULL, 1);
	poll(NULL, 0, 3);
	peer_process(&peer);
	assert_string_equal(str_text(&peer.log), "");
	assert_in_range(qmp_client_timeout(peer.client), 2, 60000);
	peer_say(&peer, PEER_GREETING);
	peer_say(&peer, "{\"return\": {}, \"id\": $1}\n");
	assert_string_equal(str_text(&peer.log), "> qmp_capabilities\n> cont\n");
	while (peer.sent[0].replies == 0)
		wait_for_deadline(&peer);
	assert_true(str_ends(peer.log.text, "lost cont ETIMEDOUT\n"));
	peer_finish(&peer);
}

static void an_end_and_a_deadline_at_once_are_one_end(void **state)
{
	struct peer peer;

	(void)state;
	peer_init(&peer, 1);
	poll(NULL, 0, 3);
	peer_hang_up(&peer);
	assert_string_equal(peer.log.text,
			    "event SHUTDOWN {\"guest\":false,\"reason\":\"disconnect\"}\n"
			    "closed ECONNRESET\n");
	peer_finish(&peer);
}

static void an_answer_to_what_was_not_sent_is_dropped(void **state)
{
	AUTO_FREE char *early = NULL;
	uint64_t id = 0;
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	for (size_t i = 0; i < 9; i++)
		id = peer_command(&peer, "x", NULL, QMP_QUICK);
	early = mem_printf("{\"return\": \"early\", \"id\": %llu}\n", (unsigned long long)id);
	peer_say(&peer, early);
	assert_int_equal(peer.sent[8].replies, 0);
	peer_say(&peer, "{\"return\": {}, \"id\": $2}\n");
	peer_say(&peer, early);
	assert_int_equal(peer.sent[8].replies, 1);
	peer_finish(&peer);
}

static void a_string_that_is_not_utf8_fails_alone(void **state)
{
	struct json_object *arguments = json_object_new_object();
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	json_object_object_add(arguments, "filename", json_object_new_string("caf\xe9.img"));
	peer_command(&peer, "blockdev-add", arguments, QMP_QUICK);
	peer_command(&peer, "cont", NULL, QMP_QUICK);
	assert_int_equal(qmp_client_timeout(peer.client), 0);
	peer_process(&peer);
	peer_say(&peer, "{\"return\": {}, \"id\": $2}\n");
	assert_string_equal(peer.log.text, "lost blockdev-add EILSEQ\n> cont\nresult cont {}\n");
	peer_finish(&peer);
}

static void arguments_arrive_on_one_line(void **state)
{
	struct json_object *arguments = json_object_new_object();
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	json_object_object_add(arguments, "path", json_object_new_string("/a\nb\"c\\"));
	peer_command(&peer, "x", arguments, QMP_QUICK);
	peer_take_commands(&peer);
	assert_string_equal(peer.log.text, "> x {\"path\":\"\\/a\\nb\\\"c\\\\\"}\n");
	peer_finish(&peer);
}

static void a_flood_of_events_hides_no_answer(void **state)
{
	static const char event[] = "{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 1}}\r\n";
	AUTO_STR struct str flood = { 0 };
	struct peer peer;

	(void)state;
	for (int i = 0; i < 20000; i++)
		str_add(&flood, event);
	peer_init_ready(&peer);
	peer_command(&peer, "query-status", NULL, QMP_QUICK);
	peer_write(&peer, flood.text, flood.len);
	peer_say(&peer, "{\"return\": {}, \"id\": $2}\r\n");
	peer_write(&peer, flood.text, flood.len);
	peer_process(&peer);
	assert_int_equal(count_lines(&peer.log, "event RTC_CHANGE"), 40000);
	assert_int_equal(count_lines(&peer.log, "result query-status"), 1);
	assert_int_equal(peer.closed, 0);
	peer_finish(&peer);
}

// A result string that makes its line `length` bytes long.
static void say_line_of(struct peer *peer, size_t length)
{
	AUTO_FREE char *head = peer_fill_in(peer, "{\"id\": $2, \"return\": \"");
	AUTO_STR struct str line = { 0 };

	str_add(&line, head);
	while (line.len < length - 2)
		str_addc(&line, 'x');
	str_add(&line, "\"}\r\n");
	peer_write(peer, line.text, line.len);
	peer_process(peer);
}

static void lines_of_16_mib_pass_and_not_one_byte_more(void **state)
{
	(void)state;
	for (size_t more = 0; more <= 1; more++) {
		struct peer peer;

		peer_init_ready(&peer);
		peer_command(&peer, "query-qmp-schema", NULL, QMP_QUIT);
		peer_take_commands(&peer);
		say_line_of(&peer, LINE_MAX_BYTES + more);
		assert_int_equal(count_lines(&peer.log, "result query-qmp-schema \"xxx"), 1 - more);
		assert_int_equal(count_lines(&peer.log, "lost query-qmp-schema EPROTO"), more);
		assert_int_equal(peer.closed, more);
		peer_finish(&peer);
	}
}

// Whichever handler call it is that frees the client: no other one follows.
static void any_handler_may_free_the_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(transcripts); i++) {
		bool survived = false;

		for (unsigned n = 1; !survived; n++) {
			struct peer peer;

			peer_init(&peer, 60000);
			peer.free_at = n;
			queue_commands(&peer, &transcripts[i]);
			for (size_t j = 0; j < ARRAY_SIZE(transcripts[i].says); j++) {
				if (transcripts[i].says[j])
					peer_say(&peer, transcripts[i].says[j]);
			}
			peer_hang_up(&peer);
			survived = peer.client;
			assert_int_equal(peer.calls, survived ? n - 1 : n);
			peer_finish(&peer);
		}
	}
}

static void a_new_command_from_a_reply(void *context, enum qmp_outcome outcome, struct json_object *result,
				       const struct err *err)
{
	struct peer *peer = context;

	(void)result;
	(void)err;
	if (outcome == QMP_LOST)
		assert_int_equal(qmp_client_send(peer->client, "again", NULL, QMP_QUICK,
						 a_new_command_from_a_reply, peer), 0);
	else
		peer_command(peer, "next", NULL, QMP_QUICK);
}

static void a_reply_may_send(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	qmp_client_send(peer.client, "one", NULL, QMP_QUICK, a_new_command_from_a_reply, &peer);
	qmp_client_send(peer.client, "two", NULL, QMP_QUICK, a_new_command_from_a_reply, &peer);
	peer_say(&peer, "{\"return\": {}, \"id\": $2}\n");
	assert_string_equal(peer.log.text, "> one\n> two\n> next\n");
	peer_hang_up(&peer);
	assert_int_equal(peer.closed, 1);
	peer_finish(&peer);
}

static void a_first_conversation_counts_from_one(void **state)
{
	struct peer peer;

	(void)state;
	peer_init(&peer, 60000);
	qmp_client_is_first(peer.client);
	assert_int_equal(peer_command(&peer, "query-status", NULL, QMP_QUICK), 2);
	peer_say(&peer, PEER_GREETING);
	peer_say(&peer, "{\"return\": {}, \"id\": 1}\r\n{\"return\": \"here\", \"id\": 2}\n");
	assert_string_equal(peer.log.text, "> qmp_capabilities\n> query-status\nresult query-status \"here\"\n");
	assert_int_equal(peer.ids[0], 1);
	assert_int_equal(peer.ids[1], 2);
	peer_finish(&peer);
	// a later one does not meet answers to these
	peer_init(&peer, 60000);
	assert_true(peer_command(&peer, "query-status", NULL, QMP_QUICK) > UINT64_C(1) << 16);
	peer_finish(&peer);
}

static void handlers_are_optional(void **state)
{
	static const char words[] = PEER_GREETING "{\"event\": \"STOP\"}\n";
	static const struct qmp_handlers none;
	struct qmp_client *client;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	client = qmp_client_new(ends[1], 1000, &none);
	qmp_client_send(client, "quit", NULL, QMP_QUIT, NULL, NULL);
	assert_int_equal(write(ends[0], words, strlen(words)), strlen(words));
	close(ends[0]);
	qmp_client_process(client);
	assert_int_equal(qmp_client_fd(client), -1);
	qmp_client_free(client);
}

// More than any socket buffer takes.
static struct json_object *big_arguments(void)
{
	AUTO_FREE char *big = mem_new(1, (4 << 20) + 1);
	struct json_object *arguments = json_object_new_object();

	memset(big, 'x', 4 << 20);
	json_object_object_add(arguments, "big", json_object_new_string(big));
	return arguments;
}

static void a_peer_that_does_not_read_is_waited_for(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	peer_command(&peer, "big", big_arguments(), QMP_QUICK);
	peer_command(&peer, "late", NULL, 1);
	peer_command(&peer, "small", NULL, QMP_QUICK);
	assert_true(qmp_client_wants_write(peer.client));
	while (peer.sent[1].replies == 0)
		wait_for_deadline(&peer);
	while (qmp_client_wants_write(peer.client)) {
		peer_take_commands(&peer);
		peer_process(&peer);
	}
	peer_take_commands(&peer);
	assert_int_equal(count_lines(&peer.log, "> big"), 1);
	assert_int_equal(count_lines(&peer.log, "> late"), 0);
	assert_true(str_ends(peer.log.text, "> small\n"));
	peer_finish(&peer);
}

static void after_the_end_nothing_is_wanted(void **state)
{
	struct peer peer;

	(void)state;
	peer_init_ready(&peer);
	peer_command(&peer, "big", big_arguments(), QMP_QUICK);
	peer_say(&peer, PEER_GREETING);
	assert_int_equal(peer.closed, 1);
	assert_false(qmp_client_wants_write(peer.client));
	assert_int_equal(qmp_client_timeout(peer.client), -1);
	peer_process(&peer);
	assert_int_equal(peer.closed, 1);
	peer_finish(&peer);
}

static void the_greeting_rule(void **state)
{
	static const struct {
		uint64_t gib;
		bool prealloc;
		unsigned passed, nets;
		int seconds;
	} rows[] = {
		{ 0, false, 0, 0, 30 },	    { 30, false, 0, 0, 30 },   { 31, false, 0, 0, 31 },
		{ 512, false, 0, 0, 512 },  { 8, true, 0, 0, 150 },    { 200, true, 0, 0, 200 },
		{ 8, false, 1, 0, 120 },    { 8, false, 3, 0, 120 },   { 64, false, 2, 0, 256 },
		{ 8, true, 1, 0, 150 },	    { 64, true, 1, 1, 261 },   { 8, false, 0, 2, 40 },
		{ 8, true, 1, 2, 160 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(qmp_greeting_ms(rows[i].gib << 30, rows[i].prealloc, rows[i].passed,
						 rows[i].nets),
				 rows[i].seconds * 1000);
	assert_int_equal(qmp_greeting_ms((UINT64_C(31) << 30) - 1, false, 0, 0), 30000);
	assert_int_equal(qmp_greeting_ms(UINT64_MAX, true, 1, 1), INT32_MAX);
}

// The real thing

static pid_t start_qemu(const char *path, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		AUTO_FREE char *chardev = mem_printf("socket,id=qmp,fd=%d", fd);

		fcntl(fd, F_SETFD, 0);
		execl(path, path, "-machine", "none", "-S", "-nodefaults", "-display", "none",
		      "-chardev", chardev, "-mon", "chardev=qmp,mode=control", (char *)NULL);
		_exit(127);
	}
	return pid;
}

struct live {
	bool over;
	struct str log;
};

static void on_live_reply(void *context, enum qmp_outcome outcome, struct json_object *result,
			  const struct err *err)
{
	struct live *live = context;

	(void)err;
	str_addf(&live->log, "%s %s\n", outcome == QMP_RESULT ? "result" : "other",
		 outcome != QMP_RESULT ? "-"
		 : json_object_is_type(result, json_type_array) &&
				 json_object_array_length(result) > 100
			 ? "a long list"
			 : json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

static void on_live_event(void *context, const char *name, struct json_object *data, int64_t seconds,
			  int64_t microseconds)
{
	struct live *live = context;
	struct json_object *reason = json_member(data, "reason", json_type_string);

	assert_true(seconds > 0 && microseconds >= 0);
	str_addf(&live->log, "%s %s\n", name, reason ? json_object_get_string(reason) : "");
}

static void on_live_closed(void *context, const struct err *why)
{
	struct live *live = context;

	str_addf(&live->log, "closed %s\n", strerrorname_np(-why->code));
	live->over = true;
}

static void a_real_qemu_speaks_with_us(void **state)
{
	static const char path[] = "/usr/bin/qemu-system-x86_64";
	struct live live = { 0 };
	struct qmp_handlers handlers = { .event = on_live_event, .closed = on_live_closed, .context = &live };
	struct qmp_client *client;
	int ends[2], status;
	pid_t pid;

	(void)state;
	if (access(path, X_OK) < 0)
		skip();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = start_qemu(path, ends[1]);
	close(ends[1]);
	client = qmp_client_new(ends[0], 60000, &handlers);
	qmp_client_send(client, "query-cpus-fast", NULL, QMP_QUICK, on_live_reply, &live);
	qmp_client_send(client, "query-qmp-schema", NULL, QMP_QUICK, on_live_reply, &live);
	qmp_client_send(client, "no-such-command", NULL, QMP_QUICK, on_live_reply, &live);
	qmp_client_send(client, "quit", NULL, QMP_QUIT, on_live_reply, &live);
	while (!live.over) {
		struct pollfd poller = { qmp_client_fd(client), POLLIN, 0 };

		poller.events |= qmp_client_wants_write(client) ? POLLOUT : 0;
		poll(&poller, 1, qmp_client_timeout(client));
		qmp_client_process(client);
	}
	qmp_client_free(client);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	// quit's answer and the event come in either order
	assert_true(str_starts(live.log.text, "result []\nresult a long list\nother -\n"));
	assert_int_equal(count_lines(&live.log, "result {}"), 1);
	assert_int_equal(count_lines(&live.log, "SHUTDOWN host-qmp-quit"), 1);
	assert_true(str_ends(live.log.text, "\nclosed ECONNRESET\n"));
	str_finish(&live.log);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts_do_not_depend_on_the_split),
		cmocka_unit_test(transcripts_survive_one_byte_at_a_time),
		cmocka_unit_test(end_of_file_at_every_byte_answers_everything_once),
		cmocka_unit_test(a_real_shutdown_is_not_repeated),
		cmocka_unit_test(the_last_words_of_a_peer_that_reads_no_more_are_heard),
		cmocka_unit_test(a_deadline_fails_the_command_and_not_the_conversation),
		cmocka_unit_test(what_expired_unsent_is_never_sent),
		cmocka_unit_test(commands_that_were_given_up_still_count_as_in_flight),
		cmocka_unit_test(a_greeting_that_does_not_come_ends_it),
		cmocka_unit_test(the_clock_of_a_command_starts_when_qemu_is_ready),
		cmocka_unit_test(an_end_and_a_deadline_at_once_are_one_end),
		cmocka_unit_test(an_answer_to_what_was_not_sent_is_dropped),
		cmocka_unit_test(a_string_that_is_not_utf8_fails_alone),
		cmocka_unit_test(arguments_arrive_on_one_line),
		cmocka_unit_test(a_flood_of_events_hides_no_answer),
		cmocka_unit_test(lines_of_16_mib_pass_and_not_one_byte_more),
		cmocka_unit_test(any_handler_may_free_the_client),
		cmocka_unit_test(a_reply_may_send),
		cmocka_unit_test(a_first_conversation_counts_from_one),
		cmocka_unit_test(handlers_are_optional),
		cmocka_unit_test(a_peer_that_does_not_read_is_waited_for),
		cmocka_unit_test(after_the_end_nothing_is_wanted),
		cmocka_unit_test(the_greeting_rule),
		cmocka_unit_test(a_real_qemu_speaks_with_us),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
