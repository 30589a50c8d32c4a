// SPDX-License-Identifier: MIT
#include "launcher/watch/screen.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

// Of xterm, which all terminals of today follow: the other screen, the cursor, and whether long lines go on
// in the next (xterm's ctlseqs, 1049, 25 and 7).
#define ENTER	      "\033[?1049h\033[?25l\033[?7l"
#define LEAVE	      "\033[?7h\033[?25h\033[?1049l"
#define HOME	      "\033[H"
#define END_OF_LINE   "\033[K"
#define END_OF_SCREEN "\033[J"

static const int watched_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT };

bool screen_is_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool screen_has_utf8(void)
{
	return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void screen_size(int *columns, int *lines)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	*columns = size.ws_col;
	*lines = size.ws_row;
}

static void signal_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(watched_signals); i++)
		sigaddset(set, watched_signals[i]);
}

static void say(const char *text)
{
	io_write_all(STDOUT_FILENO, text, strlen(text));
}

// What is typed comes key by key and is not shown. Signals stay signals.
static void enter(struct screen *screen)
{
	struct termios keys = screen->saved;

	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 1;
	keys.c_cc[VTIME] = 0;
	if (screen->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	say(ENTER);
}

static void leave(const struct screen *screen)
{
	say(LEAVE);
	if (screen->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &screen->saved);
}

int screen_open(struct screen *screen)
{
	sigset_t set;

	*screen = (struct screen)SCREEN_CLOSED;
	signal_set(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	screen->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signals < 0)
		return -errno;
	screen->raw = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &screen->saved) == 0;
	screen->keys = screen->raw;
	screen->open = true;
	enter(screen);
	return 0;
}

void screen_close(struct screen *screen)
{
	sigset_t set;

	if (!screen->open)
		return;
	leave(screen);
	close(screen->signals);
	*screen = (struct screen)SCREEN_CLOSED;
	signal_set(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int screen_draw(const struct strv *lines)
{
	AUTO_STR struct str frame = { 0 };

	str_add(&frame, HOME);
	for (size_t i = 0; i < lines->count; i++)
		str_addf(&frame, "%s%s" END_OF_LINE, i ? "\r\n" : "", lines->items[i]);
	str_add(&frame, END_OF_SCREEN);
	return io_write_all(STDOUT_FILENO, frame.text, frame.len);
}

// Whoever looks may stop us as any other program, and come back.
static enum screen_event suspend(struct screen *screen)
{
	leave(screen);
	raise(SIGSTOP);
	enter(screen);
	return SCREEN_REDRAW;
}

// One that is asked to end is ended by what asked, so that its parent sees that.
static void hand_on(int signal_number)
{
	sigset_t set;

	signal(signal_number, SIG_DFL);
	raise(signal_number);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static enum screen_event on_signal(struct screen *screen)
{
	struct signalfd_siginfo info;

	if (read(screen->signals, &info, sizeof(info)) != sizeof(info))
		return SCREEN_TIMEOUT;
	switch (info.ssi_signo) {
	case SIGWINCH:
	case SIGCONT:
		return SCREEN_REDRAW;
	case SIGTSTP:
		return suspend(screen);
	case SIGINT:
		return SCREEN_LEAVE;
	default:
		screen_close(screen);
		hand_on((int)info.ssi_signo);
		return SCREEN_LEAVE;
	}
}

static enum screen_event on_key(struct screen *screen)
{
	char key;
	ssize_t n = read(STDIN_FILENO, &key, 1);

	if (n == 1)
		return key == 'q' || key == 'Q' ? SCREEN_LEAVE : SCREEN_REDRAW;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return SCREEN_TIMEOUT;
	screen->keys = false; // nobody types any more
	return SCREEN_TIMEOUT;
}

enum screen_event screen_wait(struct screen *screen, int fd, int timeout_ms)
{
	struct pollfd wait[] = { { .fd = screen->signals, .events = POLLIN },
				 { .fd = screen->keys ? STDIN_FILENO : -1, .events = POLLIN },
				 { .fd = fd, .events = POLLIN } };

	if (poll(wait, ARRAY_SIZE(wait), timeout_ms) <= 0)
		return SCREEN_TIMEOUT;
	if (wait[0].revents)
		return on_signal(screen);
	if (wait[1].revents)
		return on_key(screen);
	return SCREEN_READY;
}
