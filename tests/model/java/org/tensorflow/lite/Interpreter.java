package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;

/**
 * Stands in for the class of this name in LiteRT's Android library, which runs on Android alone. It has the methods that are called,
 * in the place in the class hierarchy where the library has them, and refuses what the library refuses.
 */
public final class Interpreter extends InterpreterImpl {
  public static class Options {
    int threads = -1;

    public Options setNumThreads(int threads) {
      this.threads = threads;
      return this;
    }
  }

  public Interpreter(ByteBuffer program, Options options) {
    super(program, options);
  }

  public static void use(Library library) {
    InterpreterImpl.library = library;
  }
}

class InterpreterImpl {
  static Library library;
  private final int program;

  InterpreterImpl(ByteBuffer program, Interpreter.Options options) {
    if (!program.isDirect() || program.order() != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException("Model ByteBuffer should be direct and of native order.");
    }
    byte[] content = new byte[program.capacity()]; // whatever its position
    program.duplicate().clear().get(content);
    this.program = library.open(content, options.threads);
    if (this.program < 0) {
      throw new IllegalArgumentException("ByteBuffer is not a valid TensorFlow Lite model flatbuffer");
    }
  }

  public String[] getSignatureInputs(String signature) {
    return names(signature, false);
  }

  public String[] getSignatureOutputs(String signature) {
    return names(signature, true);
  }

  public Tensor getInputTensorFromSignature(String name, String signature) {
    return new TensorImpl(signature, name, false);
  }

  public Tensor getOutputTensorFromSignature(String name, String signature) {
    return new TensorImpl(signature, name, true);
  }

  public void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String signature) {
    if (inputs == null || inputs.isEmpty()) {
      throw new IllegalArgumentException("Input error: Inputs should not be null or empty.");
    }
    if (outputs == null) {
      throw new IllegalArgumentException("Input error: Outputs should not be null.");
    }
    for (Map.Entry<String, Object> input : inputs.entrySet()) {
      ByteBuffer content = (ByteBuffer) input.getValue();
      int bytes = new TensorImpl(signature, input.getKey(), false).bytes();
      if (content.capacity() != bytes) {
        throw new IllegalArgumentException(
            "Cannot copy to a TensorFlowLite tensor with " + bytes + " bytes from a Java Buffer with " + content.capacity());
      }
      byte[] copy = new byte[content.remaining()];
      content.get(copy);
      library.set(program, input.getKey(), copy);
    }
    if (!library.runs(program, signature)) {
      throw new IllegalStateException("Internal error: Failed to run on the given Interpreter");
    }
    for (Map.Entry<String, Object> output : outputs.entrySet()) {
      new TensorImpl(signature, output.getKey(), true); // or there is no such output
      byte[] content = library.get(program, output.getKey()).getBytes(StandardCharsets.ISO_8859_1);
      ((ByteBuffer) output.getValue()).put(content);
    }
  }

  public void close() {
    library.close(program);
  }

  private String[] names(String signature, boolean outputs) {
    String names = library.names(program, signature, outputs);
    if (names.isEmpty() && outputs) {
      throw new IllegalArgumentException("Input error: Signature " + signature + " not found.");
    }
    return names.isEmpty() ? new String[0] : names.split(",");
  }

  class TensorImpl implements Tensor {
    private final int[] shape;
    private final String type;

    TensorImpl(String signature, String name, boolean output) {
      if (!Arrays.asList(names(signature, output)).contains(name)) {
        throw new IllegalArgumentException("Input error: tensor " + name + " not found.");
      }
      String sizes = library.shape(program, signature, name, output);
      shape = sizes.isEmpty() ? new int[0] : Arrays.stream(sizes.split(",")).mapToInt(Integer::parseInt).toArray();
      type = library.type(program, signature, name, output);
    }

    public int[] shape() {
      return shape;
    }

    public DataType dataType() {
      return DataType.valueOf(type);
    }

    int bytes() {
      return Arrays.stream(shape).reduce(4, (product, size) -> product * size); // both types are of 4 bytes
    }
  }
}

interface Tensor {
  int[] shape();

  DataType dataType();
}

enum DataType {
  FLOAT32,
  INT32
}
