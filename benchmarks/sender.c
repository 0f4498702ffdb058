/* Sends a file of export datagrams (benchmarks/stream.py) to a UDP port of this machine, again and again, at a steady rate.
 *
 *   sender PORT FILE DATAGRAMS_PER_SECOND SECONDS
 *
 * Each datagram is dated now and numbered on, so that a collector sees one exporter in real time and not a file that repeats itself:
 * v5 and v9 tell event times relative to the header, so the header's clock is set; in IPFIX the records' own times are moved.
 * Ephemeral ports move on with each round, on both sides of a flow alike, so that a round brings new conversations: a collector that remembers those it has
 * seen must not profit from the repetition.
 * It sends to 127.0.0.1 and nowhere else, for MOST_SECONDS at most. Prints what it did as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST_DATAGRAMS = 400000, MOST_SECONDS = 120, MOST_RATE = 1000000, BURST = 32, LONGEST = 1500 };
/* The IPFIX template of sources/encode/template.py: IPv4 records of 56 bytes, start and end (8 bytes each) behind both addresses. */
enum { IPFIX_SET = 16, IPFIX_RECORD = 56, IPFIX_START = 8, IPFIX_END = 16, IPFIX_V4_ID = 256 };

/* Where the ports stand: version 5 (fixed), and the templates of sources/encode/template.py for IPv4 records. */
enum { V5_HEADER = 24, V5_RECORD = 48, V5_PORTS = 32, V9_HEADER = 20, V9_RECORD = 48, V9_PORTS = 40, IPFIX_PORTS = 48 };
enum { EPHEMERAL = 1024, STEP = 977 };
/* The services of benchmarks/stream.py that have numbers among the ephemeral ones; they stay. */
static const uint16_t SERVICES[] = { 1433, 1900, 2323, 3389, 3478, 5900, 6379, 8080, 11211, 51820 };

struct datagram { uint32_t length, step, records; uint8_t *octets; int before; };

static struct datagram datagrams[MOST_DATAGRAMS];

static int64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return be32toh(v); }
static void put32(uint8_t *p, uint32_t v) { v = htobe32(v); memcpy(p, &v, 4); }
static void add64(uint8_t *p, int64_t d) { uint64_t v; memcpy(&v, p, 8); v = htobe64(be64toh(v) + (uint64_t)d); memcpy(p, &v, 8); }

static void move_port(uint8_t *p)
{
	uint32_t port = p[0] << 8 | p[1];
	if (port < EPHEMERAL)
		return;
	for (uint32_t i = 0; i < sizeof SERVICES / sizeof *SERVICES; i++)
		if (port == SERVICES[i])
			return;
	port = EPHEMERAL + (port - EPHEMERAL + STEP) % (65536 - EPHEMERAL);
	p[0] = port >> 8;
	p[1] = port;
}

static void move_ports(uint8_t *first, uint32_t count, uint32_t size, uint32_t ports)
{
	for (uint32_t i = 0; i < count; i++) {
		move_port(first + i * size + ports);
		move_port(first + i * size + ports + 2);
	}
}

static void renew(struct datagram *d)
{
	uint8_t *p = d->octets;
	if (p[1] == 5) {
		move_ports(p + V5_HEADER, d->records, V5_RECORD, V5_PORTS);
		return;
	}
	uint32_t size = p[1] == 9 ? V9_RECORD : IPFIX_RECORD, ports = p[1] == 9 ? V9_PORTS : IPFIX_PORTS;
	/* Templates may stand before the records. */
	for (uint32_t at = p[1] == 9 ? V9_HEADER : IPFIX_SET, length; at + 4 <= d->length; at += length) {
		length = p[at + 2] << 8 | p[at + 3];
		if (length < 4 || at + length > d->length)
			return;
		if ((p[at] << 8 | p[at + 1]) == IPFIX_V4_ID)
			move_ports(p + at + 4, (length - 4) / size, size, ports);
	}
}

static void date(struct datagram *d, int64_t now_ns, uint32_t sequence)
{
	uint8_t *p = d->octets;
	uint32_t now = now_ns / 1000000000;
	switch (p[1]) {
	case 5:
		put32(p + 8, now);
		put32(p + 12, now_ns % 1000000000);
		put32(p + 16, sequence);
		break;
	case 9:
		put32(p + 8, now);
		put32(p + 12, sequence);
		break;
	case 10: {
		int64_t moved_ms = ((int64_t)now - get32(p + 4)) * 1000;
		put32(p + 4, now);
		put32(p + 8, sequence);
		if ((p[IPFIX_SET] << 8 | p[IPFIX_SET + 1]) == IPFIX_V4_ID)
			for (uint32_t i = 0; i < d->records; i++) {
				add64(p + IPFIX_SET + 4 + i * IPFIX_RECORD + IPFIX_START, moved_ms);
				add64(p + IPFIX_SET + 4 + i * IPFIX_RECORD + IPFIX_END, moved_ms);
			}
	}
	}
}

static int load(const char *path)
{
	FILE *file = fopen(path, "rb");
	int n = 0;
	if (!file) { perror(path); exit(2); }
	while (n < MOST_DATAGRAMS && fread(&datagrams[n], 4, 3, file) == 3) {
		struct datagram *d = &datagrams[n];
		if (d->length < 24 || d->length > LONGEST || !(d->octets = malloc(d->length)) || fread(d->octets, 1, d->length, file) != d->length) {
			fprintf(stderr, "%s: datagram %d is broken\n", path, n);
			exit(2);
		}
		n++;
	}
	fclose(file);
	if (!n) { fprintf(stderr, "%s: no datagrams\n", path); exit(2); }
	return n;
}

static void wait_until(int64_t due_ns)
{
	int64_t left;
	while ((left = due_ns - clock_ns(CLOCK_MONOTONIC)) > 0)
		if (left > 100000) {
			struct timespec nap = { 0, left - 60000 < 999999999 ? left - 60000 : 999999999 };
			nanosleep(&nap, NULL);
		}
}

int main(int argc, char **argv)
{
	if (argc != 5) { fprintf(stderr, "usage: sender PORT FILE DATAGRAMS_PER_SECOND SECONDS\n"); return 2; }
	int count = load(argv[2]);
	double rate = atof(argv[3]), seconds = atof(argv[4]);
	if (rate <= 0 || rate > MOST_RATE || seconds <= 0 || seconds > MOST_SECONDS) { fprintf(stderr, "sender: rate or time out of bounds\n"); return 2; }
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	if (s < 0 || connect(s, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 2; }

	struct mmsghdr batch[BURST];
	struct iovec parts[BURST];
	memset(batch, 0, sizeof batch);
	long wanted = rate * seconds, sent = 0, records = 0, refused = 0;
	uint32_t sequence = 0;
	int next = 0, burst = rate < 50000 ? 8 : BURST;
	int64_t begun = clock_ns(CLOCK_MONOTONIC);
	while (sent < wanted && clock_ns(CLOCK_MONOTONIC) - begun < (int64_t)(seconds * 1.5e9)) {
		int64_t now_ns = clock_ns(CLOCK_REALTIME);
		for (int i = 0; i < burst; i++) {
			struct datagram *d = &datagrams[next];
			date(d, now_ns, sequence);
			if (d->before++)
				renew(d);
			sequence += d->step;
			records += d->records;
			parts[i] = (struct iovec){ d->octets, d->length };
			batch[i].msg_hdr.msg_iov = &parts[i];
			batch[i].msg_hdr.msg_iovlen = 1;
			next = next + 1 == count ? 0 : next + 1;
		}
		for (int done = 0; done < burst;) {
			int r = sendmmsg(s, batch + done, burst - done, 0);
			if (r < 0) { if (++refused > 1000) { perror("sendmmsg"); return 1; } continue; }
			done += r;
		}
		sent += burst;
		wait_until(begun + (int64_t)(sent / rate * 1e9));
	}
	double took = (clock_ns(CLOCK_MONOTONIC) - begun) / 1e9;
	printf("{\"sent\": %ld, \"records\": %ld, \"seconds\": %.3f, \"rate\": %.0f}\n", sent, records, took, sent / took);
	return 0;
}
