package org.tensorflow.lite;

/**
 * LiteRT itself, which the stand-in for its Java library runs programs by; java_runtime.py has it in Python. If a method fails there,
 * pyjnius prints the error and returns null. Methods that a result depends on return a value, so that Java fails on the null.
 */
public interface Library {
  /** A number for a program, below 0 if it is none. */
  int open(byte[] program, int threads);

  /** With commas between them. */
  String names(int program, String signature, boolean outputs);

  /** Likewise. */
  String shape(int program, String signature, String name, boolean outputs);

  String type(int program, String signature, String name, boolean outputs);

  /** How many bytes were taken. */
  int set(int program, String name, byte[] content);

  boolean runs(int program, String signature);

  /** The bytes as characters of Latin-1: pyjnius cannot return a byte[] from Python. */
  String get(int program, String name);

  void close(int program);
}
