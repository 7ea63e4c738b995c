// What the book's widgets need of TensorFlow.js and no more: some operations, their kernels for the CPU, and their gradients.
// The README in book/_static/play/tf tells how the bundle is made of it.
import "@tensorflow/tfjs-core/dist/base_side_effects";
import "@tensorflow/tfjs-backend-cpu/dist/base";
import { registerGradient, registerKernel } from "@tensorflow/tfjs-core/dist/kernel_registry";
import { ourKernels, ourGradients } from "./kernels.js";

import { castConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Cast";
import { clipByValueConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/ClipByValue";
import { concatConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Concat";
import { expConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Exp";
import { fillConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Fill";
import { greaterConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Greater";
import { greaterEqualConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/GreaterEqual";
import { identityConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Identity";
import { lessEqualConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/LessEqual";
import { logicalAndConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/LogicalAnd";
import { logicalNotConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/LogicalNot";
import { maximumConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Maximum";
import { meanConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Mean";
import { negConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Neg";
import { onesLikeConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/OnesLike";
import { padV2Config } from "@tensorflow/tfjs-backend-cpu/dist/kernels/PadV2";
import { reluConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Relu";
import { reshapeConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Reshape";
import { selectConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Select";
import { sigmoidConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Sigmoid";
import { sliceConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Slice";
import { softplusConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Softplus";
import { sqrtConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Sqrt";
import { squareConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Square";
import { stepConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Step";
import { tanhConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Tanh";
import { tileConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Tile";
import { transposeConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/Transpose";
import { zerosLikeConfig } from "@tensorflow/tfjs-backend-cpu/dist/kernels/ZerosLike";

import { addGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Add_grad";
import { batchMatMulGradConfig } from "@tensorflow/tfjs-core/dist/gradients/BatchMatMul_grad";
import { castGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Cast_grad";
import { clipByValueGradConfig } from "@tensorflow/tfjs-core/dist/gradients/ClipByValue_grad";
import { concatGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Concat_grad";
import { expGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Exp_grad";
import { identityGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Identity_grad";
import { maximumGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Maximum_grad";
import { meanGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Mean_grad";
import { multiplyGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Multiply_grad";
import { negGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Neg_grad";
import { onesLikeGradConfig } from "@tensorflow/tfjs-core/dist/gradients/OnesLike_grad";
import { padV2GradConfig } from "@tensorflow/tfjs-core/dist/gradients/PadV2_grad";
import { divGradConfig } from "@tensorflow/tfjs-core/dist/gradients/RealDiv_grad";
import { reluGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Relu_grad";
import { reshapeGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Reshape_grad";
import { selectGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Select_grad";
import { sigmoidGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Sigmoid_grad";
import { sliceGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Slice_grad";
import { softplusGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Softplus_grad";
import { sqrtGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Sqrt_grad";
import { squareGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Square_grad";
import { stepGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Step_grad";
import { subGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Sub_grad";
import { sumGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Sum_grad";
import { tileGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Tile_grad";
import { transposeGradConfig } from "@tensorflow/tfjs-core/dist/gradients/Transpose_grad";
import { zerosLikeGradConfig } from "@tensorflow/tfjs-core/dist/gradients/ZerosLike_grad";

const kernels = [
  castConfig, clipByValueConfig, concatConfig, expConfig, fillConfig, greaterConfig, greaterEqualConfig, identityConfig,
  lessEqualConfig, logicalAndConfig, logicalNotConfig, maximumConfig, meanConfig, negConfig, onesLikeConfig, padV2Config,
  reluConfig, reshapeConfig, selectConfig, sigmoidConfig, sliceConfig, softplusConfig, sqrtConfig, squareConfig, stepConfig,
  tanhConfig, tileConfig, transposeConfig, zerosLikeConfig,
];
const gradients = [
  addGradConfig, batchMatMulGradConfig, castGradConfig, clipByValueGradConfig, concatGradConfig, expGradConfig,
  identityGradConfig, maximumGradConfig, meanGradConfig, multiplyGradConfig, negGradConfig, onesLikeGradConfig, padV2GradConfig,
  divGradConfig, reluGradConfig, reshapeGradConfig, selectGradConfig, sigmoidGradConfig, sliceGradConfig, softplusGradConfig,
  sqrtGradConfig, squareGradConfig, stepGradConfig, subGradConfig, sumGradConfig, tileGradConfig, transposeGradConfig,
  zerosLikeGradConfig,
];
[...kernels, ...ourKernels].forEach(registerKernel);
[...gradients, ...ourGradients].forEach(registerGradient);

export { grad, valueAndGrads } from "@tensorflow/tfjs-core/dist/gradients";
export { dispose, memory, tidy } from "@tensorflow/tfjs-core/dist/globals";
export { version as version_core } from "@tensorflow/tfjs-core/dist/version";
export {
  add, clipByValue, exp, leakyRelu, matMul, maximum, mean, mul, neg, relu, reshape, sigmoid, softplus, sqrt, square, sub, sum, tanh,
  tensor, tensor2d,
} from "@tensorflow/tfjs-core/dist/ops/ops";
