import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);
import{DEFAULT_INTERVAL,credentialsFrom,openRemote}from"./chunk-647WXJH4.mjs";import"./chunk-HWLIJW3D.mjs";import"./chunk-7F27JLYI.mjs";import"./chunk-G6N744V2.mjs";import"./chunk-4O566DSM.mjs";import"./chunk-HTH5UPLE.mjs";export{DEFAULT_INTERVAL,credentialsFrom,openRemote};
