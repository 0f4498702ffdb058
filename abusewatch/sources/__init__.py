"""Where flow records come from: sockets and files in, flow batches out; and back, records to export datagrams."""
