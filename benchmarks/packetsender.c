/* Sends the frames of a pcap file (little-endian, microseconds) round and round to an interface, with other ephemeral ports in each round, so that
   what one round was spares the receiver nothing in the next. Checksums stay as they are: nobody on the way looks at them.
   packetsender INTERFACE FILE COUNT RATE   (RATE 0: as fast as it goes); prints what was sent and in which time. */
#define _GNU_SOURCE
#include <net/if.h>
#include <netpacket/packet.h>
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST = 1 << 20, BATCH = 64, LOWEST = 1024 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Where the ephemeral port of a frame of ours stands (benchmarks/packets.py: TCP or UDP behind at most one tag, no options, services below 1024). */
static uint8_t *ephemeral(uint8_t *frame) {
    int at = frame[12] == 0x81 && frame[13] == 0 ? 18 : 14;
    uint8_t *port = frame + at + (frame[at] >> 4 == 6 ? 40 : 20);
    return (port[0] << 8 | port[1]) >= LOWEST ? port : port + 2;
}

static void another(uint8_t *port) {
    unsigned next = LOWEST + ((port[0] << 8 | port[1]) - LOWEST + 977) % (65536 - LOWEST);
    port[0] = next >> 8, port[1] = next & 255;
}

int main(int argc, char **argv) {
    static uint8_t *frame[MOST], *port[MOST];
    static uint32_t length[MOST];
    uint32_t head[4], frames = 0;
    if (argc != 5) return fprintf(stderr, "packetsender INTERFACE FILE COUNT RATE\n"), 2;
    FILE *file = fopen(argv[2], "rb");
    if (!file || fseek(file, 24, SEEK_SET)) return perror(argv[2]), 2;
    while (frames < MOST && fread(head, 16, 1, file) == 1) {
        length[frames] = head[2];
        frame[frames] = malloc(head[2]);
        if (fread(frame[frames], head[2], 1, file) != 1) break;
        port[frames] = ephemeral(frame[frames]);
        frames++;
    }
    if (!frames) return fprintf(stderr, "no frames\n"), 2;
    int out = socket(AF_PACKET, SOCK_RAW, 0), one = 1;
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1])};
    if (out < 0 || bind(out, (struct sockaddr *)&to, sizeof to)) return perror(argv[1]), 2;
    setsockopt(out, SOL_PACKET, 20 /* PACKET_QDISC_BYPASS */, &one, sizeof one);
    long count = atol(argv[3]), sent = 0;
    double rate = atof(argv[4]), begun = now();
    struct mmsghdr message[BATCH];
    struct iovec part[BATCH];
    memset(message, 0, sizeof message);
    while (sent < count) {
        int n = count - sent < BATCH ? (int)(count - sent) : BATCH;
        for (int i = 0; i < n; i++) {
            if (sent + i >= frames) another(port[(sent + i) % frames]);
            part[i].iov_base = frame[(sent + i) % frames];
            part[i].iov_len = length[(sent + i) % frames];
            message[i].msg_hdr.msg_iov = &part[i];
            message[i].msg_hdr.msg_iovlen = 1;
        }
        int done = sendmmsg(out, message, n, 0);
        if (done > 0) sent += done;
        if (rate > 0)
            while (now() - begun < sent / rate) ;
    }
    double secs = now() - begun;
    printf("%ld %.3f\n", sent, secs);
    return 0;
}
