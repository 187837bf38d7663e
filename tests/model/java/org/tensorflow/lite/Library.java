package org.tensorflow.lite;

/**
 * LiteRT itself, by which the stand-in for its Java library runs programs; java_runtime.py implements it in Python. If a method
 * fails there, pyjnius prints the error and returns null. Methods that a result depends on return a value, so that Java fails on
 * the null.
 */
public interface Library {
  /** Returns a number for a new interpreter, below 0 if the content is not a program. */
  int open(byte[] program, int threads);

  /** Returns the names, separated by commas. */
  String names(int program, String signature, boolean outputs);

  /** Returns the sizes, separated by commas. */
  String shape(int program, String signature, String name, boolean outputs);

  String type(int program, String signature, String name, boolean outputs);

  /** Stores an input; returns its number of bytes. */
  int set(int program, String name, byte[] content);

  boolean runs(int program, String signature);

  /** Returns the bytes as characters of Latin-1: pyjnius cannot return a byte[] from Python. */
  String get(int program, String name);

  void close(int program);
}
