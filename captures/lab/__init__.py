"""The laboratory that makes the captures of this folder: network namespaces, real servers, real tools, one recorder."""
