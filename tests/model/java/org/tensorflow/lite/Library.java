package org.tensorflow.lite;

import java.nio.ByteBuffer;

/** LiteRT itself, which the stand-in for its Java library runs programs by; java_runtime.py has it in Python. */
public interface Library {
  /** A number for a program, below 0 if it is none. */
  int open(byte[] program, int threads);

  /** With commas between them. */
  String names(int program, String signature, boolean outputs);

  /** Likewise. */
  String shape(int program, String signature, String name, boolean outputs);

  String type(int program, String signature, String name, boolean outputs);

  void set(int program, String name, byte[] content);

  boolean runs(int program, String signature);

  void get(int program, String name, ByteBuffer into);

  void close(int program);
}
