import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);
import{KubeConfig,bufferFromFileOrString,findHomeDir,findObject,makeAbsolutePath}from"./chunk-LUH45NG3.mjs";import"./chunk-YLX3ITXF.mjs";import"./chunk-7F27JLYI.mjs";import"./chunk-HTH5UPLE.mjs";export{KubeConfig,bufferFromFileOrString,findHomeDir,findObject,makeAbsolutePath};
